/**
 * The canonical hash of a plan: equal plans have equal hashes, on any machine and at any time. It
 * covers URNs, operations, changed paths and their new values, secrets by a keyed hash. It does not
 * cover drift, times, messages, or what differs between checkouts of equal content.
 * docs/decisions/0017 says why. Pure.
 */
import { createHash } from "node:crypto";
import { CHECKOUT_INPUTS } from "../../contract/checkouts";
import type { Step } from "./events";
import { isChange, isCreation, isImport, valueChanges } from "./plan";
import { canonical } from "./values";
import { parseUrn } from "./urn";

/** Changes when the same plan would get another hash: then it must be reviewed again. */
const VERSION = "1";

export interface PlanHash {
  hash: string;
  /** Short hash of a URN -> short hash of what happens to it: says what differs between plans. */
  entries: Record<string, string>;
}

export function planHash(steps: readonly Step[]): PlanHash {
  const lines = steps
    .flatMap((step) => {
      const what = whatHappens(step);
      return what === undefined ? [] : [[step.urn, what] as const];
    })
    .sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0));
  const text = lines.map(([urn, what]) => `${JSON.stringify(urn)} ${what}\n`).join("");
  return {
    hash: sha256(`pulumi-microvm plan ${VERSION}\n${text}`),
    entries: Object.fromEntries(lines.map(([urn, what]) => [short(urn), short(what)])),
  };
}

/** Undefined for a step that the hash does not cover: no change, or only drift that it repairs. */
function whatHappens(step: Step): string | undefined {
  if (!isChange(step)) return undefined;
  const { op, after } = step;
  const left = CHECKOUT_INPUTS[parseUrn(step.urn).type] ?? [];
  if (isCreation(step) || isImport(step)) {
    const inputs = Object.entries(after?.inputs ?? {}).filter(([key]) => !left.includes(key));
    return `${op} ${canonical(Object.fromEntries(inputs))}`;
  }
  if (op !== "update") return op;
  const intended = valueChanges(step).filter(
    ({ isIntended, path }) => isIntended && !left.includes(path),
  );
  if (intended.length === 0) return undefined;
  const paths = intended.map(
    ({ path, kind, after: value }) => `${JSON.stringify(path)} ${kind} ${canonical(value)}`,
  );
  return [op, ...paths].join(" ");
}

/** How two plans differ: URNs of this plan, and how many of the other plan are gone. */
export interface PlanDifference {
  added: string[];
  changed: string[];
  /** URNs where the steps know them, else their short hash. */
  removed: string[];
}

export function planDifference(
  reviewed: Record<string, string>,
  now: PlanHash,
  urns: readonly string[],
): PlanDifference {
  const names = new Map(urns.map((urn) => [short(urn), urn]));
  const nameOf = (key: string): string => names.get(key) ?? key;
  const keys = Object.keys(now.entries);
  return {
    added: keys.filter((key) => reviewed[key] === undefined).map(nameOf),
    changed: keys
      .filter((key) => reviewed[key] !== undefined && reviewed[key] !== now.entries[key])
      .map(nameOf),
    removed: Object.keys(reviewed)
      .filter((key) => now.entries[key] === undefined)
      .map(nameOf),
  };
}

const sha256 = (text: string): string => createHash("sha256").update(text).digest("hex");
const short = (text: string): string => sha256(text).slice(0, 10);
