/** What `MicroVm` is given, and what it observes of a VM. */
import { isIPv4 } from "node:net";
import { z } from "zod";
import type { HostFacts, VmFact } from "../../hosts/facts/hostFacts";
import { parseRecord } from "../../hosts/facts/record";
import { ownership } from "../../ownership";
import type { Owner } from "../../ownership";
import { host, machineId, name, renamedFrom, storePath } from "../shared/fields";
import { keyOnHost } from "../shared/renamed";
import { memoryOutputs, memoryState, memoryTargetMiB } from "./memory";

export const inputs = z.object({
  host,
  renamedFrom,
  machineId,
  name: name.describe("Name of the VM: /var/lib/microvms/NAME and microvm@NAME.service."),
  runner: storePath.describe("microvm.nix's declaredRunner, valid on the host."),
  toplevel: storePath.describe("The guest's system, valid on the host."),
  address: z
    .string()
    .refine((text) => text === "" || isIPv4(text), "must be an IPv4 address, or empty")
    .default("")
    .describe(
      "The guest's address: its SSH server must answer there. Empty: it is not waited for.",
    ),
  running: z.boolean().default(true).describe("Whether the VM runs. Also kept over a reboot."),
  restart: z
    .string()
    .default("")
    .describe("Any text; a running VM restarts when it changes. Default: empty."),
  memoryTargetMiB,
  hardware: z
    .string()
    .regex(/^[A-Za-z0-9]{0,128}$/, "must be a hash")
    .default("")
    .describe(
      "Hash of what the VMM gets; a change of it takes a restart. Default: empty, not known.",
    ),
  hardwareParts: z
    .record(z.string(), z.string())
    .default({})
    .describe(
      "Known parts of the hardware, for the preview: `memory` -> `192 MiB`. Default: none.",
    ),
  closureInfo: storePath
    .optional()
    .describe("nixpkgs' closureInfo of the guest's system: its `registration` for a live switch."),
  liveSwitch: z
    .boolean()
    .default(false)
    .describe("The guest can be switched: it mounts the host's store, and runs sshd and Nix."),
  switchTimeoutSeconds: z
    .int()
    .min(1)
    .default(600)
    .describe("How long a live switch may take in the guest. Default: 600."),
  updatePolicy: z
    .enum(["live", "restart", "onNextBoot"])
    .meta({ id: "UpdatePolicy" })
    .default("live")
    .describe(
      "How a running VM gets a new system: live (default) switches where that is enough and restarts " +
        "otherwise, restart always restarts, onNextBoot only installs.",
    ),
});
export type Inputs = z.infer<typeof inputs>;

export const outputs = z.object({
  runner: z.string().describe("Target of the `current` link; empty where there is none."),
  toplevel: z.string().describe("Target of the `toplevel` link; empty where there is none."),
  running: z.boolean().describe("microvm@NAME.service is active."),
  restart: z.string().describe("The recorded restart text."),
  booted: z.string().describe("The runner that the VM was started with; empty when it is stopped."),
  system: z
    .string()
    .default("")
    .describe("The system that the guest says it runs; empty when it does not say, or is stopped."),
  bootedHardware: z
    .string()
    .default("")
    .describe("Hash of what the VMM was started with; empty when not known, or stopped."),
  stale: z
    .boolean()
    .describe("The VM runs another system, or other hardware, than what is installed."),
  autostart: z.boolean().describe("The VM is started when the host boots."),
  guestHostKey: z.string().describe("The guest's public SSH host key."),
  ownership: z.string().describe("owned, renamed, altered, missing or `owned by URN`."),
  status: z
    .string()
    .default("ready")
    .describe(
      "ready; starting or switching: started, and the guest was not seen yet; activating: in a live switch; " +
        "renaming: on the host it has its former name.",
    ),
  ...memoryOutputs,
});
export type State = z.infer<typeof outputs>;

/** Of a VM that is to stop, to move, and to start under its new name. */
export const RENAMING = "renaming";

/** Its name there may still be the former one. */
export function nameOnHost(facts: HostFacts, wanted: Inputs, owner: Owner): string {
  return keyOnHost(facts, "vms", wanted.name, wanted.renamedFrom, owner);
}

export function stateOf(facts: HostFacts, wanted: Inputs, owner: Owner): State | undefined {
  const name = nameOnHost(facts, wanted, owner);
  const text = facts.records.get(`vms/${name}`);
  const vm = facts.vms.get(name);
  const installed = vm?.current !== undefined || vm?.hasFlake === true;
  if (text === undefined && !installed) return undefined;
  const record = parseRecord(text);
  const booted = vm?.booted ?? "";
  const runner = vm?.current ?? "";
  const toplevel = vm?.toplevel ?? "";
  const running = vm?.active === "active";
  return {
    runner,
    toplevel,
    running,
    restart: typeof record === "object" ? (record.restart ?? "") : "",
    booted,
    system: vm?.guestSystem ?? "",
    bootedHardware: running ? (vm.bootedHardware ?? "") : "",
    stale: booted !== "" && !runsInstalled(vm, runner, toplevel),
    autostart: vm?.autostart ?? false,
    guestHostKey: vm?.hostKey ?? "",
    ownership: ownership(text, owner),
    status: name === wanted.name ? phaseOf(record) : RENAMING,
    ...memoryState(vm),
  };
}

function phaseOf(record: ReturnType<typeof parseRecord>): string {
  return typeof record === "object" ? (record.phase ?? "ready") : "ready";
}

/** Started with what is installed, or switched to it: then the hardware is still that of the start. */
function runsInstalled(vm: VmFact | undefined, runner: string, toplevel: string): boolean {
  if (vm?.guestSystem !== undefined && vm.guestSystem !== toplevel) return false;
  if (vm?.booted === runner) return true;
  return (
    vm?.guestSystem === toplevel &&
    vm.bootedHardware !== undefined &&
    vm.bootedHardware === vm.currentHardware
  );
}
