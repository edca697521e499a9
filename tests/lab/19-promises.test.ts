/**
 * docs/changes.md is true: one change of each key, on a VM in some state. What the preview promised
 * is what happens, the guest answers at the address of the site and has its data, the second
 * preview is empty, and the change back works too.
 */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { effectOn, kindOf } from "../../contract/promises";
import type { Effect, VmState } from "../../contract/effects";
import type { KindName } from "../../contract/promises";
import { SITE_KEYS } from "../../contract/siteKeys";
import { SELECTION, SOAK, sampled } from "../selection";
import { awaitK0s } from "./cluster";
import {
  FlakeCopy,
  PROJECT,
  SiteCopy,
  bootId,
  expectNoChanges,
  failingUp,
  journalEnd,
  mutations,
  on,
  pulumi,
  releaseHosts,
  state,
  until,
  up,
  STACK,
} from "./lab";

let site = new SiteCopy();
const flake = new FlakeCopy();
const HOST = "hv1";
const WRITTEN = "/var/lib/data/promised";
type Changes = Record<string, unknown>;

interface Row {
  key: string;
  also?: string[];
  /** The state of kw1 at the change. Default: running. */
  vm?: VmState;
  /** What the site says before and after, besides the change. */
  given?: Changes;
  change: Changes;
  /** Where the table says `varies`, or kw1 lacks what the effect takes. */
  expected?: Effect;
  /** A volume does not shrink, and k0s does not go back to an older version. */
  isFinal?: true;
}

const vms = (changes: Changes): Changes =>
  Object.fromEntries(Object.entries(changes).map(([key, value]) => [`vms.kw1.${key}`, value]));
const VOLUME = "vms.kw1.volumes";
const VAR = { size: "64MiB", mountPoint: "/var/lib/data" };
const SPARE = { size: "16MiB", mountPoint: "/srv/spare", onDelete: "delete" };
const spare = (more: Changes = {}): Changes => ({
  [VOLUME]: { var: VAR, spare: { ...SPARE, ...more } },
});
const share = (more: Changes = {}): Changes => ({
  "vms.kw1.shares": { data: { source: "/srv/shared", mountPoint: "/srv/data", ...more } },
});
const WORKER = { vcpu: 1, memory: "192MiB", volumes: { var: VAR } };
const KEY =
  "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIKf0p0sF5yYv8u6e1l6hUe1m7m1v8m0mY4s8f3c1o2aB somebody";
const nameserver = vms({ network: { nameservers: ["198.18.0.53"] } });

const ROWS: readonly Row[] = [
  { key: "vms.*.ip", change: vms({ ip: "198.18.0.33" }) },
  { key: "vms.*.ip", vm: "switchedLive", change: vms({ ip: "198.18.0.33" }) },
  { key: "vms.*.ip", vm: "imported", change: vms({ ip: "198.18.0.33" }) },
  { key: "vms.*.ip", vm: "startFailed", change: vms({ ip: "198.18.0.33" }) },
  { key: "vms.*.ip", vm: "stopped", change: vms({ ip: "198.18.0.33" }) },
  { key: "vms.*.network.nameservers", change: nameserver },
  { key: "vms.*.network.nameservers", vm: "switchedLive", change: nameserver },
  { key: "vms.*.network.nameservers", vm: "imported", change: nameserver },
  { key: "vms.*.network.nameservers", vm: "startFailed", change: nameserver },
  { key: "vms.*.network.nameservers", vm: "stopped", change: nameserver },
  { key: "vms.*.network.gateway", change: vms({ network: { gateway: "198.18.0.12" } }) },
  { key: "vms.*.network.cidr", change: vms({ network: { cidr: "198.18.0.0/16" } }) },
  { key: "vms.*.hostName", change: vms({ hostName: "other" }) },
  { key: "vms.*.hostName", vm: "switchedLive", change: vms({ hostName: "other" }) },
  { key: "vms.*.hostName", vm: "stopped", change: vms({ hostName: "other" }) },
  { key: "vms.*.memory", change: vms({ memory: "208MiB" }) },
  { key: "vms.*.memory", vm: "switchedLive", change: vms({ memory: "208MiB" }) },
  { key: "vms.*.memory", vm: "imported", change: vms({ memory: "208MiB" }) },
  { key: "vms.*.memory", vm: "startFailed", change: vms({ memory: "208MiB" }) },
  { key: "vms.*.memory", vm: "stopped", change: vms({ memory: "208MiB" }) },
  { key: "vms.*.vcpu", change: vms({ vcpu: 2 }) },
  { key: "vms.*.mac", change: vms({ mac: "02:00:00:00:00:3f" }) },
  { key: "vms.*.vsockCid", change: vms({ vsockCid: 31 }) },
  { key: "vms.*.role", change: vms({ role: undefined }) },
  { key: "vms.*.running", change: vms({ running: false }) },
  { key: "vms.*.running", vm: "switchedLive", change: vms({ running: false }) },
  { key: "vms.*.running", vm: "imported", change: vms({ running: false }) },
  { key: "vms.*.running", vm: "startFailed", change: vms({ running: false }) },
  { key: "vms.*.running", vm: "stopped", change: vms({ running: true, ip: "198.18.0.33" }) },
  { key: "vms.*.restart", change: vms({ restart: "again" }) },
  { key: "vms.*.restart", vm: "switchedLive", change: vms({ restart: "again" }) },
  { key: "vms.*.restart", vm: "stopped", change: vms({ restart: "again" }) },
  // A guest of this kind has no balloon; tests/lab/06-qemu.test.ts has one that has.
  { key: "vms.*.memoryTarget", change: vms({ memoryTarget: "128MiB" }), expected: "refused" },
  { key: "vms.*.memoryTarget", vm: "stopped", change: vms({ memoryTarget: "128MiB" }) },
  {
    key: "vms.*.volumes.*.size",
    given: spare(),
    change: spare({ size: "24MiB" }),
    expected: "refused",
  },
  {
    key: "vms.*.volumes.*.size",
    vm: "stopped",
    given: spare(),
    change: spare({ size: "24MiB" }),
    isFinal: true,
  },
  { key: "vms.*.volumes.*", change: spare() },
  { key: "vms.*.volumes.*", vm: "stopped", change: spare() },
  {
    key: "vms.*.volumes.*.mountPoint",
    given: spare(),
    change: spare({ mountPoint: "/srv/elsewhere" }),
  },
  { key: "vms.*.volumes.*.onDelete", change: { [VOLUME]: { var: { ...VAR, onDelete: "trash" } } } },
  { key: "vms.*.volumes.*.protect", change: { [VOLUME]: { var: { ...VAR, protect: true } } } },
  {
    key: "vms.*.volumes.*.fsType",
    change: { [VOLUME]: { var: { size: "64MiB", fsType: "none" } } },
  },
  { key: "vms.*.volumes.*.label", change: { [VOLUME]: { var: { ...VAR, label: "other" } } } },
  {
    key: "vms.*.volumes.*.image",
    change: { [VOLUME]: { var: { ...VAR, image: "/var/lib/microvms/kw1/x.img" } } },
  },
  { key: "vms.*.shares.*", change: share() },
  { key: "vms.*.shares.*.source", given: share(), change: share({ source: "/srv/shared/b" }) },
  { key: "vms.*.shares.*.mountPoint", given: share(), change: share({ mountPoint: "/srv/b" }) },
  { key: "vms.*.shares.*.readOnly", given: share(), change: share({ readOnly: true }) },
  { key: "vms.*.hypervisor", change: vms({ hypervisor: "hv2" }) },
  {
    key: "vms.*.profile",
    given: { "profiles.other": { ...WORKER, network: { nameservers: ["198.18.0.53"] } } },
    change: vms({ profile: "other" }),
    expected: "live",
  },
  { key: "profiles.*", change: { "profiles.other": WORKER }, expected: "nothing" },
  { key: "vms.*.import", change: vms({ import: true }), expected: "nothing" },
  { key: "network.nameservers", change: { "network.nameservers": ["198.18.0.53"] } },
  { key: "network.gateway", change: { "network.gateway": "198.18.0.9" } },
  { key: "network.cidr", change: { "network.cidr": "198.18.0.0/16" } },
  { key: "hypervisors.*.hostIp", change: { "hypervisors.hv1.hostIp": "198.18.0.11/16" } },
  { key: "flake", change: { flake: flake.reference }, expected: "live" },
  {
    key: "cluster",
    change: {
      cluster: undefined,
      "vms.kc1.role": undefined,
      "vms.kw1.role": undefined,
      "vms.kw2.role": undefined,
    },
    expected: "live",
  },
  {
    // kw1 is a worker.
    ...settings(["k0sConfiguration"], {
      "cluster.api.endpoint": "k8s.example.org",
      "cluster.api.sans": ["more.example.org"],
    }),
    expected: "nothing",
  },
  settings(["clusterFixed"], {
    "cluster.name": "other",
    "cluster.network.pods": "10.32.0.0/16",
    "cluster.network.services": "10.64.0.0/16",
    "cluster.nodeLocalLoadBalancing": false,
  }),
  settings(["nextRun"], {
    "cluster.caFingerprint": "ab".repeat(32),
    "cluster.maxUnavailable": 2,
    "cluster.drain.timeout": "5m",
    "cluster.drain.localStorage": "delete",
    "cluster.drain.unmanagedPods": "delete",
  }),
  {
    key: "vms.*.labels.*",
    also: ["vms.*.taints"],
    change: vms({ labels: { "example.org/disk": "nvme" }, taints: ["a:NoExecute"] }),
  },
  // The last row with a cluster: k0s never goes back.
  { key: "cluster.k0sVersion", change: { "cluster.k0sVersion": "1.37" }, isFinal: true },
  { key: "ssh.operatorKeys", change: { "ssh.operatorKeys": [operatorKey(), KEY] } },
  { key: "hypervisors.*.shared", change: { "hypervisors.hv1.shared": true } },
  { key: "hypervisors.*.maintenance", change: { "hypervisors.hv1.maintenance": true } },
  { key: "hypervisors.*.build", change: { "hypervisors.hv1.build": "host" } },
  settings(["nextRun", "access"], {
    "ssh.user": "root",
    "ssh.port": 22,
    "ssh.agent": true,
    "ssh.identityFiles": ["~/.ssh/id_of_nobody"],
    "hypervisors.hv1.ssh.user": "root",
    "hypervisors.hv1.ssh.port": 22,
    "hypervisors.hv1.memory": "3GiB",
    "hypervisors.hv1.disk": "5GiB",
    "hypervisors.hv1.parallelism": 2,
    "hypervisors.hv1.buildTimeout": "3h",
    "hypervisors.hv1.waitTimeout": "5h",
    "vms.kw1.updatePolicy": "onNextBoot",
    "vms.kw1.protect": true,
    "vms.kw1.startTimeout": "5m",
    "vms.kw1.switchTimeout": "5m",
    "vms.kw1.volumeTimeout": "5h",
  }),
  settings(["nextRun"], {
    "hypervisors.hv1.checks.kvm": "off",
    "hypervisors.hv1.checks.libvirtd": "off",
    "hypervisors.hv1.checks.bridge": "off",
    "hypervisors.hv1.checks.units": "off",
    "hypervisors.hv1.checks.nix": "off",
    "hypervisors.hv1.checks.clock": "off",
    "hypervisors.hv1.checks.memory": "off",
    "hypervisors.hv1.checks.disk": "off",
  }),
];

/** Keys that do nothing by themselves, all changed at once. */
function settings(kinds: readonly KindName[], change: Changes): Row {
  const [key = "", ...also] = Object.keys(change).map((path) =>
    path.replace(/\.(kw1|hv1)\./, ".*."),
  );
  for (const one of [key, ...also]) expect(kinds).toContain(SITE_KEYS[one]);
  return { key, also, change };
}

function operatorKey(): unknown {
  const keys = site.get("ssh.operatorKeys");
  return Array.isArray(keys) ? keys[0] : keys;
}

/** Keys that are changed by other scenarios. */
const ELSEWHERE: Readonly<Record<string, string>> = {
  "vms.*": "lab/01-converge.test.ts",
  "vms.*.renamedFrom": "lab/18-rename.test.ts",
  "hypervisors.*": "lab/13-nixos-system.test.ts",
  "hypervisors.*.renamedFrom": "lab/18-rename.test.ts",
  "hypervisors.*.forget": "lab/26-gone-and-moved.test.ts",
  "hypervisors.*.address": "grpc/provider.test.ts",
  "hypervisors.*.ssh.hostKey": "lab/11-access.test.ts",
  "hypervisors.*.ssh.jumpHost": "grpc/jumpHost.test.ts",
  "hypervisors.*.nic": "lab/02-drift.test.ts",
  "hypervisors.*.bridge": "lab/02-drift.test.ts",
  "hypervisors.*.system": "lab/13-nixos-system.test.ts",
  "hypervisors.*.system.rebootPolicy": "lab/13-nixos-system.test.ts",
  "hypervisors.*.system.confirmTimeout": "grpc/nixosSystem.test.ts",
  "hypervisors.*.system.switchTimeout": "grpc/nixosSystem.test.ts",
  "hypervisors.*.system.bootTimeout": "grpc/nixosSystem.test.ts",
};

async function begin(): Promise<void> {
  converged = undefined;
  await site.converge();
  await on(HOST, "mkdir -p /srv/shared/b");
  await on("kw1", `echo precious > ${WRITTEN}; sync`);
  flake.setPackages({ "lab-app": "1.1" });
}

async function end(): Promise<void> {
  await site.restore();
  await on(HOST, "rm -rf /srv/shared");
}

afterAll(() => flake.remove());

test("each key is changed here or in another scenario; keys of profiles are those of VMs", () => {
  const here = new Set(ROWS.flatMap(({ key, also = [] }) => [key, ...also]));
  // What runs in the cluster changes no VM: tests/lab/41-bootstrap.test.ts, tests/kube.
  const others = /^(profiles\.\*|ssh\.jumpHosts\.\*|gitops(\.|$))/;
  const left = Object.keys(SITE_KEYS).filter((key) => !here.has(key) && !others.test(key));
  expect(left.sort()).toEqual(Object.keys(ELSEWHERE).sort());
  for (const file of Object.values(ELSEWHERE)) {
    expect(existsSync(join(PROJECT, "tests", file))).toBe(true);
  }
});

/** What the preview says happens to kw1. */
const PROMISES: readonly [RegExp, Effect][] = [
  [/ kw1: restarts: /, "restart"],
  [/ kw1: starts: /, "start"],
  [/ kw1: stops: /, "stop"],
  [/ kw1: (live switch|.*without a restart)/, "live"],
  [/ kw1: installed, takes effect when it starts/, "nextStart"],
];

async function promise(): Promise<Effect> {
  const { code, text } = await pulumi("preview", STACK);
  if (code !== 0) return "refused";
  return PROMISES.find(([words]) => words.test(text))?.[1] ?? "nothing";
}

/** A preview does not tell a record from nothing. */
const asPromised = (effect: Effect): Effect => (effect === "recorded" ? "nothing" : effect);

/** The boot id of kw1; undefined if it does not run. */
async function boot(): Promise<string | undefined> {
  const active = await on(HOST, "systemctl is-active microvm@kw1 || true");
  return active === "active" ? inGuest("cat /proc/sys/kernel/random/boot_id") : undefined;
}

/** The lab's runner keeps the old MAC of an address for up to a minute after a change of `mac`. */
const inGuest = (command: string): Promise<string> =>
  until(`kw1 answers: ${command}`, 90, () => on("kw1", command));

async function expectHappened(
  effect: Effect,
  before: string | undefined,
  address: string,
): Promise<void> {
  const after = await boot();
  if (effect === "stop" || (before === undefined && effect !== "start")) {
    expect(after).toBeUndefined();
    return;
  }
  expect(after).toBeDefined();
  if (["restart", "start"].includes(effect)) expect(after).not.toBe(before);
  else expect(after).toBe(before);
  expect(await inGuest(`cat ${WRITTEN}`)).toBe("precious");
  if (effect === "nextStart") return;
  const outputs = (await state()).get("MicroVm kw1")?.outputs ?? {};
  expect(outputs).toMatchObject({ address, stale: false });
}

const EDITS: Partial<Record<VmState, string>> = {
  imported: "rm -f /var/lib/pulumi-microvm/hardware/kw1",
  startFailed:
    'sed -i \'s/"phase":"ready"/"phase":"starting"/\' /var/lib/pulumi-microvm/vms/kw1.json',
};

let converged: Changes | undefined;

/** `up`, unless nothing was done since the last one. */
async function converge(to: Changes): Promise<void> {
  await site.set(to);
  if (converged === undefined || JSON.stringify(converged) !== JSON.stringify(to)) await up();
  converged = to;
}

/** The VM gets into the state; what the site says then. */
async function enter(vm: VmState, given: Changes): Promise<Changes> {
  const base = vm === "stopped" ? { ...given, "vms.kw1.running": false } : given;
  if (vm === "switchedLive") {
    await converge({ ...base, "ssh.operatorKeys": [operatorKey(), KEY] });
  }
  await converge(base);
  if (vm === "running") await freshlyStarted(base);
  const edit = EDITS[vm];
  if (edit !== undefined) await on(HOST, edit);
  return base;
}

/** Its boot is that of the installed runner. */
async function freshlyStarted(base: Changes): Promise<void> {
  const links = await on(HOST, "cd /var/lib/microvms/kw1; readlink current; readlink booted");
  if (new Set(links.split("\n")).size === 1) return;
  await on(HOST, "systemctl restart microvm@kw1");
  await until("kw1 answers", 60, () => bootId("kw1"));
  await site.set(base);
  await up();
}

/** The state that an effect leaves the VM in. */
function after(vm: VmState, effect: Effect): VmState {
  if (effect === "restart" || effect === "start") return "running";
  if (effect === "live") return "switchedLive";
  if (effect === "stop") return "stopped";
  return vm === "startFailed" ? "running" : vm;
}

/** By the table, of the change back. */
function effectBack(key: string, vm: VmState, there: Effect): Effect {
  if (vm === "stopped" && there === "stop") return "start";
  if (there === "start") return "stop";
  const kind = SITE_KEYS[key] ?? "varies";
  const effect = effectOn(kind, vm);
  return effect === "varies" ? there : effect;
}

/** One change: what is promised is as expected, and is what happens. */
async function change(to: Changes, expected: Effect): Promise<void> {
  const before = await boot();
  converged = undefined;
  await site.set(to);
  const promised = await promise();
  expect(promised).toBe(asPromised(expected));
  if (promised === "refused") {
    const end = await journalEnd(HOST);
    await failingUp();
    // Without a preview before it, the closure may be installed before another resource refuses.
    const done = (await mutations(HOST, end)).filter((line) => !line.startsWith("adding GC root"));
    expect(done).toEqual([]);
  } else {
    await up();
  }
  const address = promised === "refused" ? undefined : to["vms.kw1.ip"];
  await expectHappened(promised, before, String(address ?? site.get("vms.kw1.ip")));
  if (promised !== "refused") {
    await expectNoChanges();
    converged = to;
  }
}

const title = ({ key, vm = "running" }: Row, index: number): string => `${key}, ${vm}, ${index}`;

const ofCluster = ({ key }: Row): boolean =>
  /^cluster(\.|$)/.test(key) || ["vms.*.role", "vms.*.labels.*"].includes(key);

function testRows(table: string, rows: Row[]): void {
  const titled = rows.map((row, index): [string, Row] => [title(row, index), row]);
  test.each(sampled(table, titled, 4))(
    `%s (${SELECTION})`,
    async (_, row) => {
      await changeAndBack(row);
    },
    600_000,
  );
}

describe("a site without a cluster", () => {
  beforeAll(begin);
  afterAll(end);

  testRows(
    "promises",
    ROWS.filter((row) => !ofCluster(row)),
  );
});

// kw1 is a member of a cluster that was founded.
(SOAK ? describe : describe.skip)("a site with a cluster", () => {
  beforeAll(async () => {
    await awaitK0s();
    await releaseHosts();
    site = new SiteCopy(true);
    await begin();
  }, 900_000);
  afterAll(async () => {
    await pulumi("destroy", "--yes", "--skip-preview", STACK);
    await end();
  });

  testRows("promises of a cluster", ROWS.filter(ofCluster));
});

async function changeAndBack(row: Row): Promise<void> {
  const { key, vm = "running", given = {}, isFinal } = row;
  const kind = SITE_KEYS[key];
  if (kind === undefined) throw new Error(`${key} has no row in the table`);
  const effect = row.expected ?? effectOn(kind, vm);
  if (row.expected !== undefined) {
    expect([kindOf(kind).vms[vm], kindOf(kind).otherwise]).toEqual(
      expect.arrayContaining([effectOn(kind, vm) === "varies" ? "varies" : row.expected]),
    );
  }
  const base = await enter(vm, given);
  await change({ ...base, ...row.change }, effect);
  if (isFinal !== true) {
    const now = after(vm, effect);
    const back = effect === "refused" ? "nothing" : effectBack(key, now, effect);
    await change(base, back);
  }
}
