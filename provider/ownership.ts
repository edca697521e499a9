/** Ownership records: which stack created an object on a host. Pure. Scripts write the files. */
import { createHash } from "node:crypto";
import { ProviderError } from "./errors";
import { parseRecord } from "./hosts/facts/record";

/**
 * A record as JSON on one line. `digest` covers every field except itself and those that its script
 * adds (`phase`, and `bytes` of a volume), so that manual edits are detected.
 */
export function makeRecord(
  urn: string,
  fields: Readonly<Record<string, string | boolean | object>>,
): string {
  const body = { version: 1, urn, ...fields };
  return JSON.stringify({ ...body, digest: digestOf(body) });
}

const BY_SCRIPTS = ["digest", "phase", "bytes"];

/** The record up to the phase, which its script adds: `{...,"phase":"`. */
export function openRecord(
  urn: string,
  fields: Readonly<Record<string, string | boolean>>,
): string {
  return `${makeRecord(urn, fields).slice(0, -1)},"phase":"`;
}

/** The owner whose records are ours: the resource, also under its former name. */
export interface Owner {
  urn: string;
  /** The URN under the former name, while the site has `renamedFrom`. */
  formerUrn?: string | undefined;
}

/** The URN of the same resource under another name. */
export function urnUnder(urn: string, name: string): string {
  return `${urn.slice(0, urn.lastIndexOf("::"))}::${name}`;
}

/** The prefix of all URNs of the same stack and project. */
export function stackOf(urn: string): string {
  return `${urn.split("::").slice(0, 2).join("::")}::`;
}

export interface StackName {
  stack: string;
  project: string;
}

/** `urn:pulumi:STACK::PROJECT::...` */
export function stackNameOf(urn: string): StackName {
  const [stack = "", project = ""] = urn.replace(/^urn:pulumi:/, "").split("::");
  return { stack, project };
}

/** Ours, under the former name. The next update writes the record again. */
export const RENAMED = "renamed";

/**
 * `owned`: ours and unchanged; `renamed`: ours under the former name; `altered`: edited or
 * unreadable; `missing`; `owned by URN`.
 */
export function ownership(text: string | undefined, { urn, formerUrn }: Owner): string {
  const record = parseRecord(text);
  if (record === undefined) return "missing";
  if (record === "altered") return "altered";
  if (record.urn === formerUrn) return RENAMED;
  if (record.urn !== urn) return `${OTHERS}${record.urn}`;
  return record.digest === digestOf(bodyOf(text ?? "")) ? "owned" : "altered";
}

const OTHERS = "owned by ";

/** The same for a record that several resources of one stack write: each of them owns it. */
export function stackOwnership(text: string | undefined, { urn }: Owner): string {
  const record = parseRecord(text);
  if (record === undefined) return "missing";
  if (record === "altered") return "altered";
  return stackOf(record.urn) === stackOf(urn) ? "owned" : `${OTHERS}${record.urn}`;
}

/**
 * The name that the owner in `found`, an ownership, has in this stack; undefined if it is another
 * stack's.
 */
export function ownNameOf(found: string, urn: string): string | undefined {
  if (!found.startsWith(OTHERS)) return undefined;
  const owner = found.slice(OTHERS.length);
  return stackOf(owner) === stackOf(urn) ? owner.split("::").pop() : undefined;
}

/** Throws where `found`, an ownership, is that of another stack, and names it. */
export function refuseOthers(
  found: string,
  what: string,
  remedy = "Remove it from that stack first, or use another name here.",
): void {
  if (!found.startsWith(OTHERS)) return;
  throw new ProviderError("owned", `${what} belongs to ${found.slice(OTHERS.length)}`, remedy);
}

function bodyOf(text: string): object {
  const parsed: unknown = JSON.parse(text);
  if (typeof parsed !== "object" || parsed === null) return {};
  return Object.fromEntries(Object.entries(parsed).filter(([key]) => !BY_SCRIPTS.includes(key)));
}

function digestOf(body: object): string {
  return createHash("sha256").update(JSON.stringify(body)).digest("hex").slice(0, 32);
}
