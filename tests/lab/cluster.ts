/** A k0s cluster in the lab's guests: its site, and what a scenario reads and breaks of it. */
import { X509Certificate } from "node:crypto";
import { z } from "zod";
import { dummyToken, type TokenRole } from "../../provider/cluster/joinToken";
import { lab, on, until } from "./lab";

export const CLUSTER = "lab";

export interface Shape {
  controllers: number;
  workers: number;
}

/** The hosts in turn. */
const hostOf = (index: number): string => (index % 2 === 0 ? "hv1" : "hv2");

/** c1 at 198.18.0.51 on hv1, c2 at 198.18.0.52 on hv2, c3 at 198.18.0.53 on hv1. */
export const CONTROLLER_ADDRESS = (number: number): string => `198.18.0.${50 + number}`;
/** w1 at 198.18.0.61 on hv1, and so on. */
export const WORKER_ADDRESS = (number: number): string => `198.18.0.${60 + number}`;

/** VMs of the shape that are no members, and those that the site does not have. */
export interface Except {
  plain?: string[];
  without?: string[];
}

/**
 * Changes of the lab's site for `SiteCopy`: only these VMs, c1 to cN and w1 to wN, with a volume
 * for /var. The volumes are deleted with their VMs.
 */
export function clusterSite(
  { controllers, workers }: Shape,
  { plain = [], without = [] }: Except = {},
): Record<string, unknown> {
  const members = [
    ...numbered(controllers, (number) => member("c", number, CONTROLLER_ADDRESS(number))),
    ...numbered(workers, (number) => member("w", number, WORKER_ADDRESS(number))),
  ];
  return {
    cluster: {
      name: CLUSTER,
      k0sVersion: "1.36",
      // Required with more than one controller.
      ...(controllers > 1 && { api: { endpoint: CONTROLLER_ADDRESS(1) } }),
    },
    vms: Object.fromEntries(members),
    ...Object.fromEntries(plain.map((name) => [`vms.${name}.role`, undefined])),
    ...Object.fromEntries(without.map((name) => [`vms.${name}`, undefined])),
  };
}

const numbered = <T>(count: number, of: (number: number) => T): T[] =>
  Array.from({ length: count }, (_, index) => of(index + 1));

function member(prefix: "c" | "w", number: number, ip: string): [string, object] {
  const isController = prefix === "c";
  const size = isController ? "512MiB" : "64MiB";
  return [
    `${prefix}${number}`,
    {
      hypervisor: hostOf(number - 1),
      role: isController ? "controller" : "worker",
      vcpu: 1,
      memory: "256MiB",
      ip,
      mac: `02:00:00:00:00:${ip.split(".")[3] ?? ""}`,
      volumes: { var: { size, mountPoint: "/var", onDelete: "delete" } },
    },
  ];
}

/** Waits until the lab has its k0s. It makes it beside other work, which takes long once. */
export async function awaitK0s(): Promise<void> {
  const { code, text } = await lab(["k0s"]);
  if (code !== 0) throw new Error(text);
}

/** Founds the cluster without the provider: the mark that its steps write. */
export async function foundByHand(controller: string): Promise<void> {
  const mark = `mkdir -p /run/pulumi-microvm; echo ${CLUSTER} >/run/pulumi-microvm/k0s-found`;
  await on(controller, `${mark}; systemctl start k0s`);
  await awaitK0sStatus(controller);
}

/** Joins without the provider, and replaces the token by the dummy. */
export async function joinByHand(
  machine: string,
  controller: string,
  role: TokenRole,
): Promise<void> {
  const token = await on(controller, `k0s token create --role ${role} --expiry 10m`);
  await putToken(machine, token);
  // It may run with the token of an earlier cluster: the /etc share outlives a VM.
  await on(machine, "systemctl restart k0s");
  await awaitK0sStatus(machine);
  await putToken(machine, dummyToken(role));
}

/** By stdin, into a file that only root reads. */
async function putToken(machine: string, token: string): Promise<void> {
  const { code, text } = await lab(["ssh", machine, "umask 077; cat >/etc/k0s/k0stoken"], token);
  if (code !== 0) throw new Error(text);
}

/** Asks the leader to remove a controller from etcd. It waits for the lease of a dead one. */
export async function leaveEtcd(controller: string, name: string, seconds = 60): Promise<void> {
  await kubectl(controller, `patch etcdmember ${name} --type=merge -p '{"spec":{"leave":true}}'`);
  await until(`${name} to leave etcd`, seconds, async () =>
    (await etcdMemberObjects(controller))[name]?.joined === "False" ? true : undefined,
  );
}

/** kubectl as administrator, on a controller. */
export function kubectl(controller: string, words: string): Promise<string> {
  return on(controller, `k0s kubectl ${words}`);
}

const nodeList = z.object({
  items: z.array(
    z.object({
      metadata: z.object({ name: z.string() }),
      status: z.object({
        conditions: z.array(z.object({ type: z.string(), status: z.string() })).optional(),
      }),
    }),
  ),
});

/** Node -> status of its condition Ready. */
export async function nodes(controller: string): Promise<Record<string, string>> {
  const { items } = nodeList.parse(JSON.parse(await kubectl(controller, "get nodes -o json")));
  return Object.fromEntries(
    items.map(({ metadata, status }) => [
      metadata.name,
      status.conditions?.find(({ type }) => type === "Ready")?.status ?? "none",
    ]),
  );
}

/** Waits until the cluster has exactly these nodes, and all are Ready. */
export async function awaitNodes(controller: string, names: string[], seconds = 60): Promise<void> {
  const wanted = JSON.stringify(Object.fromEntries([...names].sort().map((n) => [n, "True"])));
  await until(`nodes ${names.join(", ")} to be Ready`, seconds, async () => {
    const found = await nodes(controller);
    const sorted = JSON.stringify(Object.fromEntries(Object.entries(found).sort()));
    return sorted === wanted ? true : Promise.reject(new Error(sorted));
  });
}

/** Waits until k0s of a controller or worker answers. */
export async function awaitK0sStatus(machine: string, seconds = 90): Promise<void> {
  // `status` of a worker can block.
  await until(`k0s of ${machine}`, seconds, () => on(machine, "timeout -s KILL 5 k0s status"));
}

const memberList = z.object({ members: z.record(z.string(), z.string()) });

/** etcd's members, learners and members that have not started included: name -> peer URL. */
export async function etcdMembers(controller: string): Promise<Record<string, string>> {
  return memberList.parse(JSON.parse(await on(controller, "k0s etcd member-list"))).members;
}

const etcdMemberList = z.object({
  items: z.array(
    z.object({
      metadata: z.object({ name: z.string() }),
      status: z
        .object({
          memberID: z.string(),
          conditions: z.array(z.object({ type: z.string(), status: z.string() })),
        })
        .optional(),
    }),
  ),
});

export interface EtcdMember {
  id: string;
  joined: string;
}

/** The EtcdMember objects by name. One that left stays, with `joined` False. */
export async function etcdMemberObjects(controller: string): Promise<Record<string, EtcdMember>> {
  const text = await kubectl(controller, "get etcdmembers -o json");
  return Object.fromEntries(
    etcdMemberList.parse(JSON.parse(text)).items.map(({ metadata, status }) => [
      metadata.name,
      {
        id: status?.memberID ?? "",
        joined: status?.conditions.find(({ type }) => type === "Joined")?.status ?? "",
      },
    ]),
  );
}

/** The members that a cluster must have. `ca`: the fingerprint of its CA. */
export interface Membership {
  controllers: string[];
  workers: string[];
  ca: string;
}

/** etcd, the API's objects and the nodes have exactly these members, of the one cluster. */
export async function expectMembers(by: string, expected: Membership): Promise<void> {
  const { controllers, workers, ca } = expected;
  expect(Object.keys(await etcdMembers(by)).sort()).toEqual(controllers);
  const objects = Object.entries(await etcdMemberObjects(by));
  expect(objects.map(([name, { joined }]) => [name, joined]).sort()).toEqual(
    controllers.map((name) => [name, "True"]),
  );
  expect(await nodes(by)).toEqual(Object.fromEntries(workers.map((name) => [name, "True"])));
  expect(await caFingerprint(by)).toBe(ca);
}

/** No token of a join is left in the cluster. */
export async function expectNoTokens(by: string): Promise<void> {
  for (const role of ["worker", "controller"]) {
    expect(await on(by, `k0s token list --role ${role}`)).toBe("No k0s join tokens found");
  }
}

/** How often k0s of a guest was started to found a cluster, by the journal of its unit. */
export async function foundings(machine: string): Promise<number> {
  const text = await on(machine, "journalctl -q -m -u k0s -o cat");
  return text.split("\n").filter((line) => line.startsWith("k0s starts: it founds")).length;
}

/** SHA-256 of the CA's certificate, as the site's `caFingerprint` has it: AB:CD:... */
export async function caFingerprint(controller: string): Promise<string> {
  const certificate = await on(controller, "cat /var/lib/k0s/pki/ca.crt");
  return new X509Certificate(certificate).fingerprint256;
}

/** Like the loss of a member's disk, while its VM runs: k0s stops, and its data is gone. */
export async function wipeData(machine: string): Promise<void> {
  await on(machine, "systemctl stop k0s; find /var/lib/k0s -mindepth 1 -delete");
}

/** The loss of a disk, while its VM is off: the image has a new, empty file system. */
export async function loseDisk(host: string, vm: string): Promise<void> {
  const image = `/var/lib/microvms/${vm}/var.img`;
  await on(
    host,
    `systemctl stop microvm@${vm} &&
     label=$(blkid -o value -s LABEL ${image}) && uuid=$(blkid -o value -s UUID ${image}) &&
     mkfs.ext4 -q -F -L "$label" -U "$uuid" ${image} && systemctl start microvm@${vm}`,
  );
}

/** Names of the programs of k0s that run in guests of a host. */
export async function programsOfGuests(host: string): Promise<string[]> {
  const text = await on(host, "ps -eo comm=");
  const names = /^(k0s|etcd|kube-|kwok)/;
  return text
    .split("\n")
    .filter((name) => names.test(name))
    .sort();
}
