/** Resources under a new name: which inputs may change, and where a host still has them. Pure. */
import type { HostFacts } from "../../hosts/facts/hostFacts";
import { parseRecord } from "../../hosts/facts/record";
import type { Owner } from "../../ownership";
import type { PlainMap } from "../../wire";

/** Something on a hypervisor may have another host name where the machine is the same one. */
export function isSameMachine(news: PlainMap, olds: PlainMap): boolean {
  return typeof news["machineId"] === "string" && news["machineId"] === olds["machineId"];
}

/** The name in `property` was the one that `renamedFrom` states. */
export function isFormerName(property: string, news: PlainMap, olds: PlainMap): boolean {
  return news["renamedFrom"] !== undefined && olds[property] === news["renamedFrom"];
}

/** For a machine that is known by another name of the site. */
export function renameHint(name: string, former: string): string {
  return `If ${name} is the new name of ${former}, state it: renamedFrom: ${former}.`;
}

/**
 * The key of the record that is ours: `key`; else the former key, until the rename is done on the
 * host; else where a rename that was interrupted has moved the record of our URN.
 */
export function keyOnHost(
  { records }: HostFacts,
  kind: "vms" | "volumes" | "closures",
  key: string,
  formerKey: string | undefined,
  { urn, formerUrn }: Owner,
): string {
  const ownerOf = (text: string | undefined): string | undefined => {
    const record = parseRecord(text);
    return typeof record === "object" ? record.urn : undefined;
  };
  if (records.has(`${kind}/${key}`)) return key;
  if (formerKey !== undefined) {
    const owner = ownerOf(records.get(`${kind}/${formerKey}`));
    if (owner !== undefined && [urn, formerUrn].includes(owner)) return formerKey;
  }
  const prefix = `${kind}/`;
  const moved = [...records].find(
    ([path, text]) => path.startsWith(prefix) && ownerOf(text) === urn,
  );
  return moved === undefined ? key : moved[0].slice(prefix.length);
}
