/** The difference between two property maps, by path, in the engine's terms. Pure. */
import { containsUnknown, equal, isMap } from "./wire";
import type { Value, ValueMap } from "./wire";

export type ChangeKind = "add" | "delete" | "update";
export interface Change {
  /** true: the inputs changed. false: the real object changed (drift). */
  inputDiff: boolean;
  kind: ChangeKind;
}
export type Changes = Map<string, Change>;

/** The changes from `before` to `after`. An unknown value counts as changed. */
export function changesBetween(before: ValueMap, after: ValueMap, inputDiff: boolean): Changes {
  const changes: Changes = new Map();
  compare(changes, "", before, after, inputDiff);
  return changes;
}

function compare(
  changes: Changes,
  prefix: string,
  before: ValueMap,
  after: ValueMap,
  inputDiff: boolean,
): void {
  for (const key of new Set([...Object.keys(before), ...Object.keys(after)])) {
    const path = joinPath(prefix, key);
    const was: Value | undefined = before[key];
    const is: Value | undefined = after[key];
    if (isMap(was) && isMap(is)) compare(changes, path, was, is, inputDiff);
    else if (containsUnknown(is) || !equal(was, is)) {
      changes.set(path, { inputDiff, kind: kindOf(was, is) });
    }
  }
}

function kindOf(was: Value | undefined, is: Value | undefined): ChangeKind {
  if (was === undefined) return "add";
  return is === undefined ? "delete" : "update";
}

/** A property path as Pulumi writes it: `a.b`, `a["b.c"]`. */
export function joinPath(prefix: string, key: string): string {
  if (!/^[A-Za-z_][A-Za-z0-9_-]*$/.test(key)) return `${prefix}[${JSON.stringify(key)}]`;
  return prefix === "" ? key : `${prefix}.${key}`;
}

/** Does `ignored` (a path of ignoreChanges) cover `path`? */
export function isIgnored(path: string, ignored: readonly string[]): boolean {
  return ignored.some(
    (one) =>
      one === "*" || path === one || path.startsWith(`${one}.`) || path.startsWith(`${one}[`),
  );
}

/** Removes the changes that `ignored` covers. */
export function drop(changes: Changes, ignored: readonly string[]): void {
  for (const path of [...changes.keys()]) if (isIgnored(path, ignored)) changes.delete(path);
}
