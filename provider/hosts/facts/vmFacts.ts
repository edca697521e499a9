/** Parses the facts about VMs in the probe of a host. Pure. */

/** A tap of a running VM. */
export interface TapFact {
  name: string;
  link: "up" | "down" | "missing";
}

export interface VmFact {
  /** Link targets. Absent without such a link. */
  current?: string;
  booted?: string;
  old?: string;
  toplevel?: string;
  /** The system of the `current` runner, if there is no `toplevel` link. */
  system?: string;
  hasFlake: boolean;
  /** ActiveState of microvm@NAME.service. */
  active: string;
  /** The system that the guest has reported since its start. Absent without a report. */
  guestSystem?: string;
  /** The recorded address and host name of the running system. Absent without a record. */
  guestAddress?: string;
  guestHostName?: string;
  /** From the runner that the VM was started with. Absent if the host did not say. */
  taps?: TapFact[];
  /** The running VMM. Absent if it has no control socket. */
  vmm?: "qemu" | "cloud-hypervisor";
  /** The runner that the VM was started with has a balloon. */
  hasBalloon?: boolean;
  /** The recorded hash of the running VMM's configuration. Absent without a record. */
  bootedHardware?: string;
  /** The same hash of the installed runner. */
  currentHardware?: string;
  /** The unit's InvocationID, which changes with each start. */
  invocation?: string;
  /** When its main process was started, seconds since the epoch by the host's clock. */
  startedSeconds?: number;
  /** Public SSH host key of the guest. */
  hostKey?: string;
  autostart: boolean;
  /** The recorded memory target. Absent if the guest gets all of its memory. */
  memoryTargetMiB?: number;
  /** The VM runs, and its VMM has not received the target since its start. */
  memoryPending: boolean;
}

/** Neither runs, nor starts or stops. A VM that the host does not know does not run. */
export function isStopped(vm: { active: string } | undefined): boolean {
  return vm === undefined || ["inactive", "failed"].includes(vm.active);
}

/** The fields of each line of a kind. */
export type Rows = (kind: string) => string[][];

const NUMBER = /^\d{1,15}$/;
const PLAIN = /^[A-Za-z0-9@][A-Za-z0-9._@-]*$/;
const PATH = /^\/[^\n]+$/;
const IN_DIRECTORY = /^[^/]+\/[^/]+$/;
const SYSTEM = /^\/nix\/store\/[^/\s]+$/;
const ANY = /^/;
/** The placeholder of an empty word. */
const NONE = "-";

/** Kind -> the patterns of its fields. */
export const VM_SHAPES: readonly [string, readonly RegExp[]][] = [
  ["autostart", [PLAIN]],
  ["memory-target", [PLAIN, ANY]],
  ["memory-told", [PLAIN, ANY]],
  ["invocation", [PLAIN, PLAIN]],
  ["link", [IN_DIRECTORY, ANY]],
  ["flake", [IN_DIRECTORY]],
  ["guest-system", [PLAIN, NUMBER, SYSTEM]],
  ["guest", [PLAIN, SYSTEM, /^[0-9.-]+$/, /^[a-z0-9-]+$/]],
  ["tap", [PLAIN, PLAIN, /^(up|down|missing)$/]],
  ["vmm", [PLAIN, /^(qemu|cloud-hypervisor)$/]],
  ["balloon", [PLAIN]],
  ["started", [PLAIN, NUMBER]],
  ["hardware", [PLAIN, PATH, PLAIN]],
  ["hostkey", [PLAIN, /^ssh-ed25519 \S+/]],
  ["active", [PLAIN, ANY]],
];

export function parseVms(of: Rows): Map<string, VmFact> {
  const vms = new Map<string, VmFact>();
  const autostart = new Set(of("autostart").map((row) => row[0]));
  const vm = (name: string): VmFact => {
    const known = vms.get(name);
    if (known !== undefined) return known;
    const made = {
      hasFlake: false,
      active: "inactive",
      autostart: autostart.has(name),
      memoryPending: false,
    };
    vms.set(name, made);
    return made;
  };
  for (const [path = "", target] of of("link")) {
    const [name = "", link = ""] = path.split("/");
    // Without a target: the link vanished while find read it.
    if (target !== undefined && target !== "" && isLink(link)) vm(name)[link] = target;
  }
  for (const [path = ""] of of("flake")) vm(path.split("/")[0] ?? "").hasFlake = true;
  for (const [name = "", key = ""] of of("hostkey")) vm(name).hostKey = withoutComment(key);
  for (const [unit = "", state = ""] of of("active")) {
    const name = /^microvm@(.+)\.service$/.exec(unit)?.[1];
    if (name !== undefined && vms.has(name)) vm(name).active = state;
  }
  addMemory(vms, of);
  addRunning(vms, of);
  addVmms(vms, of);
  return vms;
}

/** The facts about the current start of each VM. */
function addRunning(vms: Map<string, VmFact>, of: Rows): void {
  const starts = new Map(of("invocation").map(([unit = "", id]) => [unit, id]));
  const started = new Map(of("started").map(([unit = "", seconds]) => [unit, Number(seconds)]));
  for (const [name, vm] of vms) {
    const invocation = starts.get(`microvm@${name}.service`);
    if (invocation !== undefined) vm.invocation = invocation;
    const since = started.get(`microvm@${name}.service`);
    if (since !== undefined) vm.startedSeconds = since;
  }
  for (const [name = "", runner, hash] of of("hardware")) {
    const vm = vms.get(name);
    if (vm === undefined || hash === undefined) continue;
    if (vm.booted === runner) vm.bootedHardware = hash;
    if (vm.current === runner) vm.currentHardware = hash;
  }
  // A report from before the last start does not describe the running system.
  for (const [name = "", seconds, system] of of("guest-system")) {
    const vm = vms.get(name);
    const since = started.get(`microvm@${name}.service`);
    if (vm === undefined || since === undefined || Number(seconds) < since) continue;
    if (system !== undefined && vm.active === "active") vm.guestSystem = system;
  }
  for (const [name = "", toplevel, address, hostName] of of("guest")) {
    const vm = vms.get(name);
    if (vm === undefined || toplevel === undefined || systemOf(vm) !== toplevel) continue;
    if (address !== undefined && address !== NONE) vm.guestAddress = address;
    if (hostName !== undefined && hostName !== NONE) vm.guestHostName = hostName;
  }
}

/** The system that the guest reports. Before a report: the installed one, if it was started. */
function systemOf({ guestSystem, booted, current, toplevel }: VmFact): string | undefined {
  return guestSystem ?? (booted !== undefined && booted === current ? toplevel : undefined);
}

/** For running VMs: their network interfaces on the host, and the capabilities of their VMM. */
function addVmms(vms: Map<string, VmFact>, of: Rows): void {
  for (const [name = "", tap = "", link] of of("tap")) {
    const vm = vms.get(name);
    if (vm?.active !== "active" || !isLinkState(link)) continue;
    vm.taps = [...(vm.taps ?? []), { name: tap, link }];
  }
  for (const [name = "", vmm] of of("vmm")) {
    const vm = vms.get(name);
    if (vm === undefined || (vmm !== "qemu" && vmm !== "cloud-hypervisor")) continue;
    vm.vmm = vmm;
  }
  for (const [name = ""] of of("balloon")) {
    const vm = vms.get(name);
    if (vm !== undefined) vm.hasBalloon = true;
  }
}

function isLinkState(text: string | undefined): text is TapFact["link"] {
  return text === "up" || text === "down" || text === "missing";
}

/** Memory targets, and whether each running VMM has received its target since its start. */
function addMemory(vms: Map<string, VmFact>, of: Rows): void {
  const targets = new Map(of("memory-target").map(([name = "", mib]) => [name, mib]));
  const told = new Map(of("memory-told").map(([name = "", words]) => [name, words]));
  const starts = new Map(of("invocation").map(([unit = "", id]) => [unit, id]));
  for (const [name, vm] of vms) {
    const target = targets.get(name);
    // A text that is not a number differs from every target.
    if (target !== undefined) vm.memoryTargetMiB = /^\d{1,9}$/.test(target) ? Number(target) : -1;
    const [start, what] = (told.get(name) ?? "").split(" ");
    const current = start === starts.get(`microvm@${name}.service`) ? what : undefined;
    vm.memoryPending = vm.active === "active" && (current ?? "all") !== (target ?? "all");
  }
}

function isLink(name: string): name is "current" | "booted" | "old" | "toplevel" | "system" {
  return ["current", "booted", "old", "toplevel", "system"].includes(name);
}

function withoutComment(key: string): string {
  return key.split(" ").slice(0, 2).join(" ");
}
