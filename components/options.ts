/** Options of resources that several components use. Pure. */
import type { CustomResourceOptions, ResourceOptions } from "./pulumi";

/**
 * Pulumi adopts the resource that has the old name. Component and children each state it: a child's
 * name starts with its component's, but its URN does not contain it.
 */
export function aliasesOf(
  renamedFrom: string | undefined,
  suffix = "",
): Pick<ResourceOptions, "aliases"> {
  return renamedFrom === undefined ? {} : { aliases: [{ name: `${renamedFrom}${suffix}` }] };
}

/**
 * `import: true` in the site: the resource takes over what exists. What would disturb a running VM
 * is not changed.
 */
export function importOptions(
  isImport: boolean,
  id: string,
  ignoreChanges: string[],
): Pick<CustomResourceOptions, "import" | "ignoreChanges"> {
  return isImport ? { import: id, ignoreChanges } : {};
}

/** The same time limit for each kind of change that is listed. */
export function timeouts(
  seconds: number,
  ...changes: ("create" | "update" | "delete")[]
): Pick<CustomResourceOptions, "customTimeouts"> {
  return {
    customTimeouts: Object.fromEntries(changes.map((change) => [change, `${seconds}s`])),
  };
}
