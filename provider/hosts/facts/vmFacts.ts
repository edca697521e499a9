/** What the probe found of VMs, parsed. Pure. */

/** A tap of a VM that runs. */
export interface TapFact {
  name: string;
  link: "up" | "down" | "missing";
}

export interface VmFact {
  /** Link targets; absent where there is no such link. */
  current?: string;
  booted?: string;
  old?: string;
  toplevel?: string;
  /** The guest's system by the `current` runner, where there is no `toplevel` link. */
  system?: string;
  hasFlake: boolean;
  /** ActiveState of microvm@NAME.service. */
  active: string;
  /** The system that the guest says it runs; absent where it did not since it was started. */
  guestSystem?: string;
  /** Address and host name of the system that runs; absent where nobody recorded them. */
  guestAddress?: string;
  guestHostName?: string;
  /** By the runner that it was started with; absent where the host did not say, or there are none. */
  taps?: TapFact[];
  /** The VMM that runs; absent where it has no control socket. */
  vmm?: "qemu" | "cloud-hypervisor";
  /** The runner that it was started with has a balloon. */
  hasBalloon?: boolean;
  /** Hash of what the VMM got that runs now; absent where nobody recorded it. */
  bootedHardware?: string;
  /** The same of the runner that is installed. */
  currentHardware?: string;
  /** The unit's InvocationID: another one for each start. */
  invocation?: string;
  /** When its main process was started, seconds since the epoch by the host's clock. */
  startedSeconds?: number;
  /** Public SSH host key of the guest. */
  hostKey?: string;
  autostart: boolean;
  /** The recorded memory target; absent where the guest is to have all of its memory. */
  memoryTargetMiB?: number;
  /** The VM runs, and its VMM was not told the target since it was started. */
  memoryPending: boolean;
}

/** The fields of each line of a kind. */
export type Rows = (kind: string) => string[][];

const NUMBER = /^\d{1,15}$/;
const PLAIN = /^[A-Za-z0-9@][A-Za-z0-9._@-]*$/;
const PATH = /^\/[^\n]+$/;
const IN_DIRECTORY = /^[^/]+\/[^/]+$/;
const SYSTEM = /^\/nix\/store\/[^/\s]+$/;
const ANY = /^/;
/** In the place of a word that is empty. */
const NONE = "-";

/** Kind -> what each of its fields looks like. */
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
    // Without a target: it went while the probe looked.
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

/** What is known of the start that each VM runs on. */
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
  // What the guest said before its last start is not what it runs.
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

/** What a guest says; before it does, the installed system if the VM was started with that. */
function systemOf({ guestSystem, booted, current, toplevel }: VmFact): string | undefined {
  return guestSystem ?? (booted !== undefined && booted === current ? toplevel : undefined);
}

/** Of VMs that run: their cards on the host, and what their VMM can do. */
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

/** Targets, and whether each running VM was told its own: what it was told counts for one start only. */
function addMemory(vms: Map<string, VmFact>, of: Rows): void {
  const targets = new Map(of("memory-target").map(([name = "", mib]) => [name, mib]));
  const told = new Map(of("memory-told").map(([name = "", words]) => [name, words]));
  const starts = new Map(of("invocation").map(([unit = "", id]) => [unit, id]));
  for (const [name, vm] of vms) {
    const target = targets.get(name);
    // What is no number is none of ours: it differs from every target.
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
