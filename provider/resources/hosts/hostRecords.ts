/**
 * The ownership records of a host itself. An exclusive claim is hosts/host.json. A shared claim is
 * one record per stack, hosts/shared-HASH.json, with what that stack wants on the host. Pure.
 */
import { createHash } from "node:crypto";
import { z } from "zod";
import { ProviderError } from "../../errors";
import type { HostFacts } from "../../hosts/facts/hostFacts";
import { parseRecord } from "../../hosts/facts/record";
import { makeRecord } from "../../ownership";
import { sorted, stackPrefix, vmWants } from "./hypervisorWants";
import type { StackWants, VmWants } from "./hypervisorWants";

/** The name of the record of an exclusive claim. */
export const EXCLUSIVE = "host";
const SHARED = "shared-";

/** The name of a stack's shared record. It is a hash: some stack names are not valid file names. */
export function sharedName(urn: string): string {
  const hash = createHash("sha256").update(stackPrefix(urn)).digest("hex");
  return `${SHARED}${hash.slice(0, 16)}`;
}

export function hostRecord(facts: HostFacts, name: string): string | undefined {
  return facts.records.get(`hosts/${name}`);
}

const wantsSchema = z.object({
  wants: z.array(vmWants),
  /** VMs that left the site but were still on the host when the record was written. */
  leaving: z.array(vmWants).default([]),
});
type Wants = z.infer<typeof wantsSchema>;

function wantsOf(text: string | undefined): Wants | undefined {
  if (typeof parseRecord(text) !== "object") return undefined;
  return wantsSchema.safeParse(JSON.parse(text ?? "")).data;
}

/**
 * The record of a shared claim. A VM that leaves the site is removed at the end of an `up`, after
 * this record is written. Until its own record is gone, it counts as a VM of this stack.
 */
export function sharedRecord(facts: HostFacts, urn: string, vms: readonly VmWants[]): string {
  const wants = sorted(vms);
  const before = wantsOf(hostRecord(facts, sharedName(urn)));
  const known = new Set(wants.map(({ name }) => name));
  const leaving = [...(before?.wants ?? []), ...(before?.leaving ?? [])].filter(
    ({ name }) => !known.has(name) && isThere(facts, urn, name),
  );
  return makeRecord(urn, { shared: true, wants, leaving });
}

/** The VM has a record of this stack. */
function isThere(facts: HostFacts, urn: string, vm: string): boolean {
  const record = parseRecord(facts.records.get(`vms/${vm}`));
  return typeof record === "object" && stackPrefix(record.urn) === stackPrefix(urn);
}

/** The VMs of a host that have a record of this stack. */
export function vmsOf(facts: HostFacts, urn: string): string[] {
  return [...facts.records.keys()].flatMap((key) => {
    const vm = /^vms\/(.+)$/.exec(key)?.[1];
    return vm !== undefined && isThere(facts, urn, vm) ? [vm] : [];
  });
}

/** Whether the stack's own shared claim states these wishes. */
export function states(facts: HostFacts, urn: string, vms: readonly VmWants[]): boolean {
  const recorded = wantsOf(hostRecord(facts, sharedName(urn)));
  return recorded !== undefined && JSON.stringify(recorded.wants) === JSON.stringify(sorted(vms));
}

/** The wants of the other stacks of a shared host. A record that cannot be read is an error. */
export function otherStacks(hostName: string, facts: HostFacts, urn: string): StackWants[] {
  const own = `hosts/${sharedName(urn)}`;
  return [...facts.records]
    .filter(([key]) => key.startsWith(`hosts/${SHARED}`) && key !== own)
    .map(([key, text]) => {
      const record = parseRecord(text);
      const claimed = wantsOf(text);
      if (typeof record !== "object" || claimed === undefined) {
        throw new ProviderError(
          "foreign",
          `${hostName}: the claim of another stack cannot be read: ` +
            `/var/lib/pulumi-microvm/${key}.json`,
          "Run up in that stack with this version of pulumi-microvm. " +
            "Remove the file only if that stack will never be used again.",
        );
      }
      const leaving = claimed.leaving.filter(({ name }) => isThere(facts, record.urn, name));
      return { urn: record.urn, vms: [...claimed.wants, ...leaving] };
    });
}

/** The digest of all claims. host-claim.sh computes the same digest under the lock. */
export function claimsDigest(facts: Pick<HostFacts, "records">): string {
  const lines = [...facts.records]
    .filter(([key]) => key.startsWith("hosts/"))
    .map(([key, text]): [string, string] => [`${key.slice("hosts/".length)}.json`, text])
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([file, text]) => `${file}\t${text}\n`);
  return createHash("sha256").update(lines.join("")).digest("hex");
}
