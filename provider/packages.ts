/** Describes a change of a closure by its packages, in one line of a preview. Pure. */
import { printable } from "./hosts/transport/printable";

/** Name -> version. Several versions of a package are one string: `1.0, 1.1`. */
export type Packages = Record<string, string>;

const MOST_CHANGES = 20;

/**
 * `packages: hello 2.12 -> 2.13, + jq 1.7, - curl 8.1`, sorted by name. Lists at most 20 changes,
 * then `and N more`. Undefined without a change.
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

/** The same, but undefined if one side has no packages: they are optional in a flake. */
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

/** Uses hasOwn because a package can be named `constructor`. */
function versionOf(packages: Packages, name: string): string | undefined {
  return Object.hasOwn(packages, name) ? packages[name] : undefined;
}
