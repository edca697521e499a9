/** Options of resources that several components use. Pure. */
import type { CustomResourceOptions, ResourceOptions } from "./pulumi";

/**
 * Pulumi adopts the state of the resource with the old name. A URN contains the types of the
 * parents but not their names, so a component and each of its children need an alias.
 */
export function aliasesOf(
  renamedFrom: string | undefined,
  suffix = "",
): Pick<ResourceOptions, "aliases"> {
  return renamedFrom === undefined ? {} : { aliases: [{ name: `${renamedFrom}${suffix}` }] };
}

/**
 * `import: true` in the site: the resource takes over the existing object. Changes that would
 * disturb a running VM are not applied.
 */
export function importOptions(
  isImport: boolean,
  id: string,
  ignoreChanges: string[],
): Pick<CustomResourceOptions, "import" | "ignoreChanges"> {
  return isImport ? { import: id, ignoreChanges } : {};
}

/** Without `protect` in the site, the option of the parent counts. */
export function protection(isProtected: boolean): Pick<ResourceOptions, "protect"> {
  return isProtected ? { protect: true } : {};
}

/** The same time limit for each listed kind of change. */
export function timeouts(
  seconds: number,
  ...changes: ("create" | "update" | "delete")[]
): Pick<CustomResourceOptions, "customTimeouts"> {
  return {
    customTimeouts: Object.fromEntries(changes.map((change) => [change, `${seconds}s`])),
  };
}
