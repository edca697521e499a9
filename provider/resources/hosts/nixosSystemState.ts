/** What `NixosSystem` is given, and what it observes of the host's own system. */
import { z } from "zod";
import type { HostFacts } from "../../hosts/facts/hostFacts";
import { ownership } from "../../ownership";
import type { Owner } from "../../ownership";
import { host, name, renamedFrom, storePath } from "../shared/fields";

export const inputs = z.object({
  host,
  renamedFrom,
  drvPath: storePath.describe("The derivation of the system."),
  toplevel: storePath.describe("The system: its output, config.system.build.toplevel."),
  build: z
    .enum(["operator", "host"])
    .default("operator")
    .describe("Built on the operator's machine and copied (default), or built on the host."),
  rebootPolicy: z
    .enum(["never", "ifRequired"])
    .default("never")
    .describe(
      "A system with another kernel, initrd or kernel modules: never (default) tells it, ifRequired reboots the host.",
    ),
  switchTimeoutSeconds: z
    .int()
    .min(1)
    .default(300)
    .describe("How long switch-to-configuration may run. Default: 300."),
  confirmTimeoutSeconds: z
    .int()
    .min(1)
    .default(90)
    .describe("How long the host waits for a new login before it goes back. Default: 90."),
  bootTimeoutSeconds: z
    .int()
    .min(1)
    .default(600)
    .describe("How long a reboot may take, from the last VM's stop to a login. Default: 600."),
  buildTimeoutSeconds: z
    .int()
    .min(1)
    .default(14_400)
    .describe("How long a build, or a copy to the host, may take. Default: 14400."),
  stopOrder: z
    .array(name)
    .default([])
    .describe("VMs in the order in which they are stopped before a reboot; others come after."),
  vmDerivations: z
    .array(storePath)
    .default([])
    .describe(
      "Derivations of the runners of its VMs: built before the host is switched or rebooted, with build: operator.",
    ),
  packages: z
    .record(z.string(), z.string())
    .default({})
    .describe("Package -> version: what a preview shows of a changed system. Changes nothing."),
  bootHash: z
    .string()
    .default("")
    .describe(
      "Hash of kernel, initrd and kernel modules, for the preview: it tells whether a reboot comes. Changes nothing.",
    ),
});
export type Inputs = z.infer<typeof inputs>;

export const outputs = z.object({
  machineId: z.string().describe("/etc/machine-id, recorded at first contact."),
  toplevel: z.string().describe("The system that runs: /run/current-system."),
  booted: z.string().describe("The system that was booted: /run/booted-system."),
  profile: z.string().describe("The system that its profile names."),
  rebootRequired: z
    .boolean()
    .describe("Kernel, initrd or kernel modules of the system are not those that were booted."),
  status: z
    .string()
    .describe(
      "ready; switching: not confirmed yet; rolling-back; confirmed: not the default of the next boot yet; booting.",
    ),
  rolledBack: z
    .string()
    .describe("The system that was tried last and rolled back; empty after a success."),
  ownership: z.string().describe("owned, renamed, altered, missing or `owned by URN`."),
});
export type State = z.infer<typeof outputs>;

export function stateOf(facts: HostFacts, owner: Owner): State {
  const { current, booted, profile, rebootRequired, trial, rolledBack } = facts.system;
  return {
    machineId: facts.machineId,
    toplevel: current,
    booted,
    profile,
    rebootRequired,
    status: trial?.phase ?? "ready",
    rolledBack,
    ownership: ownership(facts.records.get("systems/nixos"), owner),
  };
}
