/** What a change of a closure means in packages, as one line for a reviewer. Pure. */
import { printable } from "./hosts/transport/printable";

/** Name -> version; several versions of one name come in one text: `1.0, 1.1`. */
export type Packages = Record<string, string>;

const MOST_CHANGES = 20;

/**
 * `packages: hello 2.12 -> 2.13, + jq 1.7, - curl 8.1`, in the order of the names, at most 20 changes
 * and then `and N more`. Undefined where nothing differs.
 */
export function packageChanges(before: Packages, after: Packages): string | undefined {
  const names = [...new Set([...Object.keys(before), ...Object.keys(after)])].sort();
  const changes = names.flatMap((name) => {
    const was = versionOf(before, name);
    const is = versionOf(after, name);
    return was === is ? [] : [printable(changeOf(name, was, is))];
  });
  if (changes.length === 0) return undefined;
  const rest = changes.length - MOST_CHANGES;
  const more = rest > 0 ? [`and ${rest} more`] : [];
  return `packages: ${[...changes.slice(0, MOST_CHANGES), ...more].join(", ")}`;
}

/** The same, where both sides know their packages: a flake need not tell them. */
export function knownChanges(before: Packages | undefined, after: Packages): string | undefined {
  if (before === undefined || isEmpty(before) || isEmpty(after)) return undefined;
  return packageChanges(before, after);
}

function isEmpty(packages: Packages): boolean {
  return Object.keys(packages).length === 0;
}

function changeOf(name: string, was: string | undefined, is: string | undefined): string {
  if (was === undefined) return `+ ${name} ${is ?? ""}`.trimEnd();
  if (is === undefined) return `- ${name} ${was}`.trimEnd();
  return `${name} ${was} -> ${is}`;
}

/** A package may be called `constructor`. */
function versionOf(packages: Packages, name: string): string | undefined {
  return Object.hasOwn(packages, name) ? packages[name] : undefined;
}
