/** Inputs and outputs of `NixosSystem`. */
import { z } from "zod";
import type { HostFacts } from "../../hosts/facts/hostFacts";
import { ownership } from "../../ownership";
import type { Owner } from "../../ownership";
import { buildPlace, host, name, renamedFrom, storePath } from "../shared/fields";

export const inputs = z.object({
  host,
  renamedFrom,
  drvPath: storePath.describe("Derivation of the system."),
  toplevel: storePath.describe("Output path of the system: config.system.build.toplevel."),
  build: buildPlace
    .default("operator")
    .describe(
      "operator (default): build on the operator's machine and copy. host: build on the host.",
    ),
  rebootPolicy: z
    .enum(["never", "ifRequired"])
    .meta({ id: "RebootPolicy" })
    .default("never")
    .describe(
      "For a system with another kernel, initrd or kernel modules. never (default): warn that a " +
        "reboot is required. ifRequired: reboot the host.",
    ),
  switchTimeoutSeconds: z
    .int()
    .min(1)
    .default(300)
    .describe("Time limit of switch-to-configuration, seconds. Default: 300."),
  confirmTimeoutSeconds: z
    .int()
    .min(1)
    .default(90)
    .describe(
      "How long the host waits for a new login before it rolls back, seconds. Default: 90.",
    ),
  bootTimeoutSeconds: z
    .int()
    .min(1)
    .default(600)
    .describe(
      "Time limit of a reboot, from the stop of the last VM to a login, seconds. Default: 600.",
    ),
  buildTimeoutSeconds: z
    .int()
    .min(1)
    .default(14_400)
    .describe("Time limit of a build or of a copy to the host, seconds. Default: 14400."),
  stopOrder: z
    .array(name)
    .default([])
    .describe("Order in which VMs stop before a reboot. Other VMs stop last."),
  vmDerivations: z
    .array(storePath)
    .default([])
    .describe(
      "Derivations of the runners of its VMs. With build: operator, they are built before the " +
        "host switches or reboots.",
    ),
  packages: z
    .record(z.string(), z.string())
    .default({})
    .describe("Package -> version. Only for previews: a change of it alone causes no update."),
  bootHash: z
    .string()
    .default("")
    .describe(
      "Hash of kernel, initrd and kernel modules. Previews predict reboots with it. " +
        "A change of it alone causes no update.",
    ),
});
export type Inputs = z.infer<typeof inputs>;

export const outputs = z.object({
  machineId: z.string().describe("/etc/machine-id, recorded at first contact."),
  toplevel: z.string().describe("The running system: /run/current-system."),
  booted: z.string().describe("The booted system: /run/booted-system."),
  profile: z.string().describe("The newest generation of the system profile."),
  rebootRequired: z
    .boolean()
    .describe(
      "The booted kernel, initrd or kernel modules differ from those of the running system.",
    ),
  status: z
    .string()
    .describe(
      "ready; switching: not confirmed yet; rolling-back; confirmed: not the default of the next " +
        "boot yet; booting.",
    ),
  rolledBack: z
    .string()
    .describe("The system that was rolled back last; empty after a confirmed switch."),
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
