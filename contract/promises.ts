/**
 * What a change does: each kind of change, and its effect on a VM in each state. The preview names
 * the effect, the update carries it out, and docs/changes.md shows it. All three read this table.
 * siteKeys.ts says which kind of change each key of the site file is. Pure.
 */
import { POLICIES } from "./effects";
import type { Effect, UpdatePolicy, VmState } from "./effects";

export interface Kind {
  /** What changes. In previews, this is the reason. */
  what: string;
  vms: Readonly<Record<VmState, Effect>>;
  /** The effect that replaces `live` if the VM does not meet its requirements. */
  otherwise?: Effect;
  /** The effect on the hypervisor. */
  host?: string;
  byPolicy?: true;
  remedy?: string;
  note?: string;
}

/** The same effect on each running VM. */
function onRunning(running: Effect, stopped: Effect): Kind["vms"] {
  return { running, switchedLive: running, imported: running, startFailed: running, stopped };
}

const always = (effect: Effect): Kind["vms"] => onRunning(effect, effect);

const NEVER_REPLACED =
  "A volume is never replaced: add another one, move the data, and remove this one.";

export const KINDS = {
  // Kinds that the provider finds by comparing a VM with what is wanted.
  running: {
    what: "whether the VM runs",
    vms: onRunning("stop", "start"),
  },
  name: {
    what: "it gets another name",
    vms: onRunning("restart", "recorded"),
    host: "The directory of the VM, its records and its volumes move to the new name.",
    note: "[rename.md](rename.md)",
  },
  restart: {
    what: "`restart` was changed",
    vms: onRunning("restart", "recorded"),
  },
  hardware: {
    what: "the hardware changes",
    vms: onRunning("restart", "nextStart"),
    byPolicy: true,
  },
  address: {
    what: "the address changes",
    vms: onRunning("restart", "nextStart"),
    byPolicy: true,
    note:
      "A live switch uses one address before and after it, so it cannot change the address. The " +
      "guest must respond at the new address. Otherwise the VM is rolled back to the old one.",
  },
  hostName: {
    what: "the host name changes",
    vms: onRunning("restart", "nextStart"),
    byPolicy: true,
    note: "A live switch refuses a system with another host name: it may be another machine's.",
  },
  system: {
    what: "the system changes, the hardware does not",
    vms: { ...onRunning("live", "nextStart"), imported: "restart", startFailed: "restart" },
    otherwise: "restart",
    byPolicy: true,
    note:
      "The operator's login must work before and after a live switch. If the new system rejects " +
      "it, the guest is rolled back to the old system.",
  },
  memoryTarget: {
    what: "the memory target changes",
    vms: onRunning("live", "recorded"),
    otherwise: "refused",
    remedy: "Set microvm.socket and microvm.balloon = true for the VM, or remove memoryTarget.",
    note: "The VMM needs a balloon and a control socket. The modules set both.",
  },
  tap: {
    what: "its tap is not connected to the bridge",
    vms: onRunning("live", "nothing"),
    host: "The tap becomes a port of the bridge again and is set up.",
  },
  tapMissing: {
    what: "its tap is missing",
    vms: onRunning("restart", "nothing"),
  },

  // Kinds of other changes to a VM and its volumes.
  vm: {
    what: "the VM is added or removed",
    vms: onRunning("stop", "start"),
    host:
      "An added VM gets its volumes and its SSH host key. When a VM is removed, its volumes " +
      "remain unless they have another onDelete, and its /etc share remains.",
  },
  move: {
    what: "another hypervisor",
    vms: always("refused"),
    remedy:
      "A VM and its volumes cannot move to another hypervisor. Remove the VM from the site, run " +
      "up, and add it there: it starts with empty volumes. onDelete decides about the old ones.",
  },
  disk: {
    what: "a volume is added or removed",
    vms: onRunning("restart", "nextStart"),
    byPolicy: true,
    host: "The image is created. When a volume is removed, its image is handled by its onDelete.",
  },
  volumeSize: {
    what: "the size of a volume",
    vms: { ...always("live"), stopped: "recorded" },
    otherwise: "refused",
    host: "The image grows. If the VM is stopped, the host checks and grows the file system too.",
    remedy: "Stop the VM: running: false, or its unit for a member of a cluster. Then run up.",
    note:
      "Only QEMU with a control socket can grow a disk in use. The guest grows the file system, " +
      "so it must respond. A smaller size is always refused.",
  },
  volumeFixed: {
    what: "what a volume is",
    vms: always("refused"),
    remedy: NEVER_REPLACED,
    note: "A changed `image` is accepted in a rename, where the directory of the VM moves.",
  },
  onDelete: {
    what: "the fate of a removed volume",
    vms: always("recorded"),
  },

  // Kinds of changes that concern runs of Pulumi, or everything.
  nextRun: {
    what: "a setting of runs",
    vms: always("nothing"),
    host: "Nothing. The current run uses the new value.",
  },
  varies: {
    what: "what other values apply",
    vms: always("varies"),
  },

  // Kinds of changes to the k0s cluster.
  k0sConfiguration: {
    what: "the k0s configuration of controllers",
    vms: always("varies"),
    note:
      "The system of each controller changes, and k0s restarts there. Workers get the " +
      "configuration from the controllers. Other VMs are not disturbed.",
  },
  clusterFixed: {
    what: "what a k0s cluster is",
    vms: always("refused"),
    remedy:
      "k0s cannot change it in a cluster that exists. Found another cluster in another stack, " +
      "move the workloads, and destroy this one.",
  },
  node: {
    what: "labels or taints of a Kubernetes node",
    vms: always("nothing"),
    note: "They are no part of a system. A VM without a node cannot have them.",
  },

  // Kinds of changes to hypervisors.
  access: {
    what: "how hosts are reached",
    vms: always("nothing"),
    host: "Nothing. The run that changes it uses the new value.",
  },
  hostNetwork: {
    what: "the network of a hypervisor",
    vms: always("nothing"),
    host:
      "The checks require it. If the site manages the system of the host, that system is " +
      "switched on trial first.",
  },
  hostAddress: {
    what: "the address of a hypervisor on its bridge",
    vms: { ...onRunning("live", "nextStart"), imported: "restart", startFailed: "restart" },
    otherwise: "restart",
    byPolicy: true,
    host: "As for the other network settings.",
    note: "VMs without network.cidr use its prefix, so only a change of the prefix affects VMs.",
  },
  bridge: {
    what: "the bridge of a hypervisor",
    vms: onRunning("live", "nothing"),
    host: "As for the other network settings. Then the taps of running VMs become ports of it.",
  },
  claim: {
    what: "which stacks use a hypervisor",
    vms: always("nothing"),
    host: "Its ownership record changes.",
  },
  addOn: {
    what: "what is installed in the cluster, and its hand-over to Flux",
    vms: always("nothing"),
    note:
      "Helm installs or upgrades the add-on until Flux runs it. From then on an edit of the site " +
      "changes nothing, and the preview says which file of the tree to edit.",
  },
  forget: {
    what: "the hypervisor is forgotten",
    vms: always("nothing"),
    host: "It is not contacted. Its resources leave the state, and what is on it stays there.",
  },
  hostRename: {
    what: "the name of a hypervisor",
    vms: always("recorded"),
    host: "Ownership records change.",
    note: "[rename.md](rename.md)",
  },
  hostSystem: {
    what: "whether the system of a hypervisor is managed",
    vms: always("nothing"),
    host: "The system is switched on trial. If the key is removed, the system stays as it is.",
  },
  reboot: {
    what: "whether a hypervisor may reboot",
    vms: onRunning("restart", "nothing"),
    host: "It reboots if kernel, initrd or kernel modules are not those of its system.",
    note: "VMs restart only if the host reboots.",
  },
  hypervisor: {
    what: "a hypervisor is added or removed",
    vms: always("nothing"),
    host: "It is checked and claimed, or the claim is released.",
    note: "A hypervisor with VMs cannot be removed without them.",
  },
} as const satisfies Record<string, Kind>;
export type KindName = keyof typeof KINDS;

export function kindOf(name: KindName): Kind {
  return KINDS[name];
}

/** The effect of a change on a VM with this policy that lacks nothing for a live change. */
export function effectOn(name: KindName, state: VmState, policy: UpdatePolicy = "live"): Effect {
  const { vms, byPolicy } = kindOf(name);
  return byPolicy === true ? underPolicy(vms[state], policy) : vms[state];
}

export function underPolicy(effect: Effect, policy: UpdatePolicy): Effect {
  const changed: Partial<Record<Effect, Effect>> = POLICIES[policy];
  return changed[effect] ?? effect;
}

/** The remedy of a kind of change that is refused. */
export function remedyOf(name: KindName): string {
  return kindOf(name).remedy ?? "";
}
