/**
 * The lab's network: a namespace for the operator, whose bridge `fabric` connects the hosts, and a
 * namespace for each host, whose network card is `eno1`. The machine's own network is not changed.
 */
import { attempt, run } from "./command";
import { labName } from "./paths";
import { changeState, loadState } from "./state";

export const OPERATOR_NAMESPACE = `${labName}-op`;
const OPERATOR_ADDRESS = "198.18.0.1/24";

export interface LabHost {
  name: string;
  address: string;
  prefixLength: number;
}

export const HOSTS: readonly LabHost[] = [
  { name: "hv1", address: "198.18.0.11", prefixLength: 24 },
  { name: "hv2", address: "198.18.0.12", prefixLength: 24 },
];

export const namespaceOf = (host: LabHost): string => `${labName}-${host.name}`;

/** The same command in the operator's namespace. */
export const inOperator = (command: readonly string[]): string[] => [
  ...["ip", "netns", "exec", OPERATOR_NAMESPACE],
  ...command,
];

/** Makes the missing parts of the network. */
export async function ensureNetwork(): Promise<void> {
  await ensureNamespace(OPERATOR_NAMESPACE);
  if (!(await hasLink(OPERATOR_NAMESPACE, "fabric"))) {
    await inside(OPERATOR_NAMESPACE, "link add fabric type bridge forward_delay 0");
    await inside(OPERATOR_NAMESPACE, `addr add ${OPERATOR_ADDRESS} dev fabric`);
    await inside(OPERATOR_NAMESPACE, "link set fabric up");
  }
  for (const host of HOSTS) {
    await ensureNamespace(namespaceOf(host));
    if (!(await hasLink(OPERATOR_NAMESPACE, host.name))) {
      await inside(
        OPERATOR_NAMESPACE,
        `link add ${host.name} type veth peer name eno1 netns ${namespaceOf(host)}`,
      );
      await inside(OPERATOR_NAMESPACE, `link set ${host.name} master fabric up`);
    }
  }
}

/**
 * Like a reboot: the bridge and the guests' ports, which the host's system created, are removed.
 */
export async function forgetHostLinks(host: LabHost): Promise<void> {
  if (await hasLink(namespaceOf(host), "br0")) await inside(namespaceOf(host), "link delete br0");
}

export async function removeNetwork(): Promise<void> {
  const there = await namespaces();
  for (const name of loadState().namespaces) {
    if (there.has(name)) await run(["ip", "netns", "delete", name]);
  }
}

async function ensureNamespace(name: string): Promise<void> {
  const recorded = loadState().namespaces.includes(name);
  const exists = (await namespaces()).has(name);
  if (exists && recorded) return;
  if (exists) {
    throw new Error(
      `the network namespace ${name} exists, and this lab did not make it. ` +
        `If nothing uses it, remove it: ip netns delete ${name}`,
    );
  }
  changeState((state) => {
    if (!recorded) state.namespaces.push(name);
  });
  await run(["ip", "netns", "add", name]);
  await inside(name, "link set lo up");
  // Frames between ports of a bridge must not go through iptables, nor be dropped by the reverse
  // path filter.
  const settings = [
    ...["iptables", "ip6tables", "arptables"].map((table) => `net/bridge/bridge-nf-call-${table}`),
    ...["all", "default"].map((link) => `net/ipv4/conf/${link}/rp_filter`),
  ];
  await run([
    ...["ip", "netns", "exec", name, "sh", "-c"],
    'for setting; do if [ -e "/proc/sys/$setting" ]; then echo 0 >"/proc/sys/$setting"; fi; done',
    "settings",
    ...settings,
  ]);
}

async function namespaces(): Promise<Set<string>> {
  const list = await run(["ip", "netns", "list"]);
  return new Set(list.split("\n").map((line) => line.split(" ")[0] ?? ""));
}

async function hasLink(namespace: string, link: string): Promise<boolean> {
  return (await attempt(["ip", "-n", namespace, "link", "show", link])).code === 0;
}

function inside(namespace: string, words: string): Promise<string> {
  return run(["ip", "-n", namespace, ...words.split(" ")]);
}
