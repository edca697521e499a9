/** The variables of a Flux Kustomization: LoadVariables of fluxcd/pkg kustomize_varsub.go. */
import type { Variable, Variables } from "./build";
import { isTrueAt, listAt, textAt, textMapAt } from "./json";
import type { JsonMap } from "./json";
import { dataOf, isSame, keyOf, shown } from "./objects";
import type { TreeObject } from "./objects";
import { CommandError } from "./commands";

export interface Lookup {
  variables: Variables;
  missing: { what: string; isOptional: boolean }[];
}

const NAME = /^[_a-zA-Z][_a-zA-Z0-9]*$/;

/**
 * Those of substituteFrom in their order, then those of substitute. Rejects if a Secret cannot be
 * decrypted, or if a name is not one that Flux accepts.
 */
export async function lookUpVariables(
  kustomization: JsonMap,
  objects: readonly TreeObject[],
): Promise<Lookup> {
  const variables = new Map<string, Variable>();
  const missing: Lookup["missing"] = [];
  const { namespace } = keyOf(kustomization);
  for (const reference of listAt(kustomization, "spec", "postBuild", "substituteFrom")) {
    const key = { kind: textAt(reference, "kind"), namespace, name: textAt(reference, "name") };
    const found = objects.find((one) => isSame(one, key));
    if (found === undefined) {
      missing.push({ what: shown(key), isOptional: isTrueAt(reference, "optional") });
      continue;
    }
    const { object, isSecret } = await found.read();
    add(variables, dataOf(object), isSecret);
  }
  add(variables, textMapAt(kustomization, "spec", "postBuild", "substitute"), false);
  return { variables, missing };
}

/** Line breaks are removed, as Flux does. */
function add(into: Map<string, Variable>, data: Record<string, string>, isSecret: boolean): void {
  for (const [name, value] of Object.entries(data)) {
    if (!NAME.test(name)) {
      throw new CommandError(`'${name}' is no name of a variable for postBuild.substituteFrom`);
    }
    into.set(name, { value: value.replaceAll("\n", ""), isSecret });
  }
}
