/** The inputs and the observed state of `MicroVm`. */
import { isIPv4 } from "node:net";
import { z } from "zod";
import type { HostFacts, VmFact } from "../../hosts/facts/hostFacts";
import { parseRecord } from "../../hosts/facts/record";
import { ownership } from "../../ownership";
import type { Owner } from "../../ownership";
import {
  absolutePath,
  host,
  interfaceName,
  machineId,
  name,
  renamedFrom,
  storePath,
} from "../shared/fields";
import { keyOnHost } from "../shared/renamed";
import { memoryOutputs, memoryState, memoryTargetMiB } from "./memory";
import { tapsOf } from "./tap";

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
      "The guest's address, where its SSH server must respond. Empty: the provider does not wait.",
    ),
  hostName: z
    .string()
    .regex(/^[a-z0-9-]{0,63}$/, "must be a host name")
    .default("")
    .describe("The guest's host name. Default: empty, not known."),
  bridge: interfaceName
    .optional()
    .describe("The bridge of the VM's tap. Without it, the tap is not checked."),
  mac: z
    .string()
    .regex(/^([0-9a-fA-F]{2}(:[0-9a-fA-F]{2}){5})?$/, "must be a MAC address, or empty")
    .default("")
    .describe("MAC address of its network card, for its record. Default: empty, not known."),
  vsockCid: z.int().min(3).optional().describe("Its vsock CID, for its record. Default: none."),
  shareSources: z
    .array(absolutePath)
    .default([])
    .describe(
      "Directories on the host that must exist before it starts: its shares. Default: none.",
    ),
  running: z.boolean().default(true).describe("Whether the VM runs. Persists across reboots."),
  restart: z
    .string()
    .default("")
    .describe("Any text. A running VM restarts when it changes. Default: empty."),
  memoryTargetMiB,
  hardware: z
    .string()
    .regex(/^[A-Za-z0-9]{0,128}$/, "must be a hash")
    .default("")
    .describe(
      "Hash of the VMM's configuration. A change requires a restart. Default: empty, not known.",
    ),
  hardwareParts: z
    .record(z.string(), z.string())
    .default({})
    .describe(
      "Known parts of the hardware, for the preview: `memory` -> `192 MiB`. Default: none.",
    ),
  closureInfo: storePath
    .optional()
    .describe("nixpkgs' closureInfo of the guest's system, with its `registration`."),
  liveSwitch: z
    .boolean()
    .default(false)
    .describe("The guest supports live switches: it mounts the host's store, runs sshd and Nix."),
  switchTimeoutSeconds: z
    .int()
    .min(1)
    .default(600)
    .describe("Time limit of a live switch in the guest, seconds. Default: 600."),
  updatePolicy: z
    .enum(["live", "restart", "onNextBoot"])
    .meta({ id: "UpdatePolicy" })
    .default("live")
    .describe(
      "How a running VM gets a new system. live (default) switches it without a restart if that " +
        "is possible and restarts it otherwise, restart always restarts, onNextBoot only installs.",
    ),
});
export type Inputs = z.infer<typeof inputs>;

export const outputs = z.object({
  runner: z.string().describe("Target of the `current` link. Empty without a link."),
  toplevel: z.string().describe("Target of the `toplevel` link. Empty without a link."),
  running: z.boolean().describe("microvm@NAME.service is active."),
  restart: z.string().describe("The recorded restart text."),
  booted: z.string().describe("The runner that the VM was started with. Empty if it is stopped."),
  system: z
    .string()
    .default("")
    .describe("The system that the guest reports. Empty if it is stopped or reports none."),
  bootedHardware: z
    .string()
    .default("")
    .describe("Hash of the VMM's configuration at the start. Empty if unknown or stopped."),
  address: z
    .string()
    .default("")
    .describe("The address of the guest's running system. Empty if unknown or stopped."),
  hostName: z
    .string()
    .default("")
    .describe("The host name of that system. Empty if unknown or stopped."),
  taps: z
    .array(z.string())
    .default([])
    .describe(
      "For each tap of the running VM: its bridge, or none, down or missing. Empty if the host " +
        "did not say.",
    ),
  stale: z
    .boolean()
    .describe("The VM runs another system or other hardware than the installed one."),
  autostart: z.boolean().describe("The VM starts when the host boots."),
  guestHostKey: z.string().describe("The guest's public SSH host key."),
  ownership: z.string().describe("owned, renamed, altered, missing or `owned by URN`."),
  status: z
    .string()
    .default("ready")
    .describe(
      "ready; starting or switching: started, but the guest has not responded yet; activating: " +
        "in a live switch; renaming: it has its former name on the host.",
    ),
  ...memoryOutputs,
});
export type State = z.infer<typeof outputs>;

/** A rename: the VM must stop, move, and start under its new name. */
export const RENAMING = "renaming";

/** On the host, the VM may still have its former name. */
export function nameOnHost(facts: HostFacts, wanted: Inputs, owner: Owner): string {
  return keyOnHost(facts, "vms", wanted.name, wanted.renamedFrom, owner);
}

/** `recorded`: the address of a guest that was started before hosts recorded it. */
export function stateOf(
  facts: HostFacts,
  wanted: Inputs,
  owner: Owner,
  recorded?: State,
): State | undefined {
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
    address: running ? (vm.guestAddress ?? recorded?.address ?? "") : "",
    hostName: running ? (vm.guestHostName ?? recorded?.hostName ?? "") : "",
    taps: tapsOf(facts, vm),
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

/** Started with the installed runner, or switched to its system, so the hardware is unchanged. */
export function runsInstalled(vm: VmFact | undefined, runner: string, toplevel: string): boolean {
  if (vm?.guestSystem !== undefined && vm.guestSystem !== toplevel) return false;
  if (vm?.booted === runner) return true;
  return (
    vm?.guestSystem === toplevel &&
    vm.bootedHardware !== undefined &&
    vm.bootedHardware === vm.currentHardware
  );
}
