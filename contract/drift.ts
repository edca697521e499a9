/**
 * What counts as drift: facts of a host that differ from what the site says or an earlier run has
 * recorded. Each is a property that a preview names. The resources' `drift` and `mirrored` have
 * exactly these: tests/unit/promises.test.ts compares them, and docs/changes.md shows them. Pure.
 */

/** What `up` does about a fact. */
type Mended = "restored" | "live" | "restart" | "start or stop" | "recorded" | "error";

export interface DriftFact {
  /** What was changed on the host. */
  what: string;
  mended: Mended;
}
type Facts = Readonly<Record<string, DriftFact>>;

export const VM_DRIFT = {
  running: { what: "The VM was stopped or started.", mended: "start or stop" },
  runner: { what: "Another runner is installed (the link `current`).", mended: "restored" },
  toplevel: { what: "The link `toplevel` has another target.", mended: "restored" },
  restart: { what: "Another text of `restart` is recorded.", mended: "restart" },
  stale: {
    what: "The VM runs another system or other hardware than is installed.",
    mended: "live",
  },
  system: { what: "The guest reports another system than the site's.", mended: "live" },
  taps: {
    what: "The tap of the running VM is no port of the bridge, or it is down or missing.",
    mended: "live",
  },
  autostart: { what: "Whether the VM starts when the host boots.", mended: "restored" },
  guestHostKey: { what: "A stopped VM has no SSH host key.", mended: "restored" },
  memoryTargetMiB: { what: "Another memory target is recorded.", mended: "live" },
  memoryPending: { what: "The VMM was not told the memory target.", mended: "live" },
  ownership: { what: "The ownership record is missing or was edited.", mended: "recorded" },
  status: { what: "A start, a live switch or a rename was interrupted.", mended: "restored" },
} as const satisfies Facts;
export type VmDrift = keyof typeof VM_DRIFT;

export const OTHER_DRIFT = {
  Volume: {
    sizeMiB: { what: "The image has another size.", mended: "live" },
    content: {
      what: "The image has another label, another file system, or lost a part.",
      mended: "error",
    },
    status: { what: "The image is missing, or work on it was interrupted.", mended: "error" },
    ownership: { what: "The ownership record is missing or was edited.", mended: "recorded" },
  },
  NixClosure: {
    "paths.KEY": { what: "A GC root or its store path is gone.", mended: "restored" },
    ownership: { what: "The ownership record is missing or was edited.", mended: "recorded" },
  },
  Hypervisor: {
    "verdicts.CHECK": { what: "A required check fails.", mended: "error" },
    ownership: { what: "The claim is missing or was edited.", mended: "recorded" },
  },
  NixosSystem: {
    toplevel: { what: "The host runs another system.", mended: "restored" },
    profile: { what: "The host would boot another system.", mended: "restored" },
    rebootRequired: {
      what: "Kernel or initrd differ, and rebootPolicy is ifRequired.",
      mended: "restored",
    },
    status: { what: "A switch or a reboot was interrupted.", mended: "restored" },
    ownership: { what: "The ownership record is missing or was edited.", mended: "recorded" },
  },
} as const satisfies Record<string, Facts>;

/** Facts that no pass checks, and the reasons. */
export const NOT_SEEN: readonly { what: string; why: string }[] = [
  {
    what: "What happens in a guest: its network, its services, its files, its mounts",
    why:
      "A pass without changes does not log in to guests. It reads only the system that a guest " +
      "reports.",
  },
  {
    what: "Whether the guest answers, after its start was confirmed",
    why: "As above. Monitoring is the task of other tools.",
  },
  {
    what: "A change of a running VMM by its control socket: a disk or a card that was added",
    why: "The probe starts a fixed number of processes, independent of the number of VMs.",
  },
  {
    what: "The balloon's present size",
    why: "It follows the target slowly, and a guest that needs memory takes some back.",
  },
  {
    what: "Data in a volume, and the content of a raw one",
    why: "They belong to the guest.",
  },
  {
    what: "The source of a share, and files in the /etc share besides the public host key",
    why: "They belong to the operator and to the guest.",
  },
  {
    what: "Traffic rules on the host: firewall, VLANs of bridge ports, MTU",
    why: "They belong to the system of the host.",
  },
  {
    what: "A VM of the host that is not in the site",
    why: "It is not ours and is not changed.",
  },
];
