/** `renamedFrom`: the old name must be unused, and only one object may be renamed from it. Pure. */
import type { SiteDraft, VmDraft } from "./draft";
import type { Issue } from "./issues";
import { duplicates } from "./uniqueness";
import type { Value } from "./value";

interface Renamed {
  name: string;
  renamedFrom: Value<string>;
}

export function checkRenames(site: SiteDraft): Issue[] {
  return [
    ...checkKind("VM", site.vms),
    ...checkKind("hypervisor", site.hypervisors),
    ...site.vms.flatMap(checkImport),
  ];
}

/** The engine imports a resource under its current name, but knows it under the old one. */
function checkImport({ import: isImported, renamedFrom: { path, value } }: VmDraft): Issue[] {
  if (!isImported || value === undefined) return [];
  const what = "a VM with import: true cannot be renamed";
  return [{ path, code: "rename", what, remedy: "remove import first, and run up" }];
}

function checkKind(kind: string, all: readonly Renamed[]): Issue[] {
  const names = all.map(({ name }) => name);
  const claims = all.flatMap(({ name, renamedFrom: { path, value } }) =>
    value === undefined || value === name ? [] : [{ path, value, what: `the old name ${value}` }],
  );
  return [
    ...all.flatMap((one) => checkOldName(kind, one, names)),
    ...duplicates(claims, "keep one of the two"),
  ];
}

function checkOldName(
  kind: string,
  { name, renamedFrom: { path, value } }: Renamed,
  names: readonly string[],
): Issue[] {
  if (value === name) {
    const what = "is the present name";
    return [{ path, code: "rename", what, remedy: "state the previous name, or remove it" }];
  }
  if (value === undefined || !names.includes(value)) return [];
  const what = `the ${kind} ${value} is still in the site`;
  const remedy = `remove ${value} if ${name} replaces it; else remove renamedFrom`;
  return [{ path, code: "rename", what, remedy }];
}
