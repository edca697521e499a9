/** What `MicroVm` is given, and what it observes of a VM. */
import { isIPv4 } from "node:net";
import { z } from "zod";
import type { HostFacts } from "../hosts/facts";
import { parseRecord } from "../hosts/facts";
import { ownership } from "../ownership";
import { host, machineId, name, storePath } from "./fields";
import { memoryOutputs, memoryState, memoryTargetMiB } from "./memory";

export const inputs = z.object({
  host,
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
});
export type Inputs = z.infer<typeof inputs>;

export const outputs = z.object({
  runner: z.string().describe("Target of the `current` link; empty where there is none."),
  toplevel: z.string().describe("Target of the `toplevel` link; empty where there is none."),
  running: z.boolean().describe("microvm@NAME.service is active."),
  restart: z.string().describe("The recorded restart text."),
  booted: z.string().describe("The runner that the VM was started with; empty when it is stopped."),
  stale: z.boolean().describe("The VM runs another runner than `current`."),
  autostart: z.boolean().describe("The VM is started when the host boots."),
  guestHostKey: z.string().describe("The guest's public SSH host key."),
  ownership: z.string().describe("owned, altered, missing or `owned by URN`."),
  status: z
    .string()
    .default("ready")
    .describe("ready; starting or switching: started, and the guest was not seen yet."),
  ...memoryOutputs,
});
export type State = z.infer<typeof outputs>;

export function stateOf(facts: HostFacts, wanted: Inputs, urn: string): State | undefined {
  const text = facts.records.get(`vms/${wanted.name}`);
  const vm = facts.vms.get(wanted.name);
  const installed = vm?.current !== undefined || vm?.hasFlake === true;
  if (text === undefined && !installed) return undefined;
  const record = parseRecord(text);
  const booted = vm?.booted ?? "";
  const runner = vm?.current ?? "";
  return {
    runner,
    toplevel: vm?.toplevel ?? "",
    running: vm?.active === "active",
    restart: typeof record === "object" ? (record.restart ?? "") : "",
    booted,
    stale: booted !== "" && booted !== runner,
    autostart: vm?.autostart ?? false,
    guestHostKey: vm?.hostKey ?? "",
    ownership: ownership(text, urn),
    status: typeof record === "object" ? (record.phase ?? "ready") : "ready",
    ...memoryState(vm),
  };
}
