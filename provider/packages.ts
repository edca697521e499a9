/** Describes a change of a closure by its packages, in one line of a preview. Pure. */
import type { PackageChange } from "../contract/notices";
import { printable } from "./hosts/transport/printable";

/** Name -> version. Several versions of a package are one string: `1.0, 1.1`. */
export type Packages = Record<string, string>;

const MOST_CHANGES = 20;

/**
 * The packages whose version changes, sorted by name. Empty if one side has no packages: they are
 * optional in a flake.
 */
export function knownPackageChanges(
  before: Packages | undefined,
  after: Packages,
): PackageChange[] {
  if (before === undefined || isEmpty(before) || isEmpty(after)) return [];
  return packageChangesOf(before, after);
}

function packageChangesOf(before: Packages, after: Packages): PackageChange[] {
  const names = [...new Set([...Object.keys(before), ...Object.keys(after)])].sort();
  return names.flatMap((name) => {
    const from = versionOf(before, name);
    const to = versionOf(after, name);
    if (from === to) return [];
    return [{ name, ...(from !== undefined && { from }), ...(to !== undefined && { to }) }];
  });
}

/**
 * `packages: hello 2.12 -> 2.13, + jq 1.7, - curl 8.1`, sorted by name. Lists at most 20 changes,
 * then `and N more`. Undefined without a change.
 */
export function packageChanges(before: Packages, after: Packages): string | undefined {
  return describe(packageChangesOf(before, after));
}

/** The same, but undefined if one side has no packages. */
export function knownChanges(before: Packages | undefined, after: Packages): string | undefined {
  return describe(knownPackageChanges(before, after));
}

function describe(all: PackageChange[]): string | undefined {
  if (all.length === 0) return undefined;
  const changes = all.map((change) => printable(changeOf(change)));
  const rest = changes.length - MOST_CHANGES;
  const more = rest > 0 ? [`and ${rest} more`] : [];
  return `packages: ${[...changes.slice(0, MOST_CHANGES), ...more].join(", ")}`;
}

function isEmpty(packages: Packages): boolean {
  return Object.keys(packages).length === 0;
}

function changeOf({ name, from, to }: PackageChange): string {
  if (from === undefined) return `+ ${name} ${to ?? ""}`.trimEnd();
  if (to === undefined) return `- ${name} ${from}`.trimEnd();
  return `${name} ${from} -> ${to}`;
}

/** Uses hasOwn because a package can be named `constructor`. */
function versionOf(packages: Packages, name: string): string | undefined {
  return Object.hasOwn(packages, name) ? packages[name] : undefined;
}
