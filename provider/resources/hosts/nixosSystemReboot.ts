/** A host is not rebooted while VMs of other stacks run there. Pure. */
import { ProviderError } from "../../errors";
import type { HostFacts } from "../../hosts/facts/hostFacts";
import { parseRecord } from "../../hosts/facts/record";
import { isStopped } from "../../hosts/facts/vmFacts";
import { describeStack, stackPrefix } from "./hypervisorWants";

/** Running VMs of other stacks by their records: `VM kw1 of stack prod of project site`. */
export function runningOfOthers(facts: HostFacts, urn: string): string[] {
  return [...facts.vms].flatMap(([name, vm]) => {
    const record = parseRecord(facts.records.get(`vms/${name}`));
    if (isStopped(vm) || typeof record !== "object") return [];
    if (stackPrefix(record.urn) === stackPrefix(urn)) return [];
    return [`VM ${name} of ${describeStack(record.urn)}`];
  });
}

/** The host checks this again under its lock: scripts/hosts/system-reboot.sh. */
export function refuseReboot(
  { urn }: { urn: string },
  { host, toplevel }: { host: string; toplevel: string },
  facts: HostFacts,
): void {
  const running = runningOfOthers(facts, urn);
  if (running.length === 0) return;
  throw new ProviderError(
    "owned",
    `${host}: ${toplevel} requires a reboot of the host, and VMs of other stacks run there: ` +
      running.join(", "),
    "Stop them in their site first. Or set rebootPolicy: never for this hypervisor: the system " +
      "is then switched without a reboot.",
  );
}
