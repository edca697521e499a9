/**
 * The hidden first line of a comment: which stack it is about, and which plan it shows. A signature
 * makes sure that nobody else wrote it, as long as there is a key. Pure.
 */
import { createHmac, timingSafeEqual } from "node:crypto";
import { z } from "zod";

const START = "<!-- pulumi-microvm ";
const END = " -->";

const facts = z.object({
  version: z.literal(1),
  /** What the comment or issue is: `preview` or `drift`. */
  kind: z.enum(["preview", "drift"]),
  stack: z.string(),
  commit: z.string(),
  /** Empty: the plan was not whole, so it cannot be reviewed. */
  hash: z.string(),
  entries: z.record(z.string(), z.string()),
});
export type MarkerFacts = Omit<z.infer<typeof facts>, "version">;
const schema = facts.extend({ signature: z.string() });

/** Markers are for stacks: their entries fit a comment only up to this number. */
const MOST_ENTRIES = 500;

export function marker(of: MarkerFacts, key: string | undefined): string {
  const entries = Object.entries(of.entries).slice(0, MOST_ENTRIES);
  const body = { version: 1 as const, ...of, entries: Object.fromEntries(entries) };
  const text = JSON.stringify({ ...body, signature: signatureOf(body, key) });
  // No character that could end the comment. JSON has them only inside of strings.
  const safe = text.replace(/[<>&-]/g, (one) => `\\u${hex(one)}`);
  return `${START}${safe}${END}`;
}

const hex = (character: string): string => character.charCodeAt(0).toString(16).padStart(4, "0");

export interface Marker extends MarkerFacts {
  /** Written with this key. Without a key on this side: always true. */
  isSigned: boolean;
}

/** The marker in the first line of a text. Undefined if there is none that this version knows. */
export function readMarker(text: string, key: string | undefined): Marker | undefined {
  const [line = ""] = text.split(/\r?\n/, 1);
  if (!line.startsWith(START) || !line.endsWith(END)) return undefined;
  const parsed = schema.safeParse(json(line.slice(START.length, -END.length)));
  if (!parsed.success) return undefined;
  const { signature, ...body } = parsed.data;
  const isSigned = key === undefined || isEqual(signature, signatureOf(body, key));
  const { kind, stack, commit, hash, entries } = body;
  return { kind, stack, commit, hash, entries, isSigned };
}

function signatureOf(body: z.infer<typeof facts>, key: string | undefined): string {
  if (key === undefined) return "";
  const { version, kind, stack, commit, hash, entries } = body;
  const sorted = Object.entries(entries).sort(([a], [b]) => (a < b ? -1 : 1));
  const text = JSON.stringify([version, kind, stack, commit, hash, sorted]);
  return createHmac("sha256", key).update(text).digest("hex");
}

function isEqual(a: string, b: string): boolean {
  return a.length === b.length && timingSafeEqual(Buffer.from(a), Buffer.from(b));
}

function json(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
