/**
 * The values of a HelmRelease: ChartValuesFromReferences of fluxcd/pkg chartutil. References are
 * merged in their order, the values of the release last.
 *
 * A targetPath overrides the values of the release only where Go's maps are shared between the two:
 * in a map or a list that no reference has too. So maps are shared here in the same way.
 */
import { parseGoYaml } from "../tree/goYaml";
import { at, isMap, isTrueAt, listAt, merged, textAt } from "../tree/json";
import type { Json, JsonMap } from "../tree/json";
import { dataOf, isSame, shown } from "../tree/objects";
import type { TreeObject } from "../tree/objects";
import { setPath } from "./targetPath";

export interface Values {
  values: JsonMap;
  isSecret: boolean;
}

/** A reference that cannot be resolved. */
export interface ValuesFault {
  /** In valuesFrom. */
  index: number;
  what: string;
}

export async function valuesOf(
  release: JsonMap,
  namespace: string,
  objects: readonly TreeObject[],
): Promise<Values & { faults: ValuesFault[] }> {
  const own = at(release, "spec", "values");
  const last = isMap(own) ? structuredClone(own) : {};
  const faults: ValuesFault[] = [];
  let values: JsonMap = {};
  let isSecret = false;
  for (const [index, reference] of listAt(release, "spec", "valuesFrom").entries()) {
    try {
      const found = await textOf(reference, namespace, objects);
      if (found === undefined) continue;
      values = added(values, last, reference, found.text);
      isSecret ||= found.isSecret;
    } catch (error) {
      faults.push({ index, what: error instanceof Error ? error.message : String(error) });
    }
  }
  return { values: merged(values, last), isSecret, faults };
}

/** The text that a reference names. Undefined: it is optional, and there is none. */
async function textOf(
  reference: Json,
  namespace: string,
  objects: readonly TreeObject[],
): Promise<{ text: string; isSecret: boolean } | undefined> {
  const key = { kind: textAt(reference, "kind"), namespace, name: textAt(reference, "name") };
  const entry = textAt(reference, "valuesKey") || "values.yaml";
  const isOptional = isTrueAt(reference, "optional");
  const found = objects.find((one) => isSame(one, key));
  if (found === undefined) {
    if (isOptional) return undefined;
    throw new Error(`valuesFrom names ${shown(key)}, which is not in the tree`);
  }
  const { object, isSecret } = await found.read();
  const data = dataOf(object);
  const text = Object.hasOwn(data, entry) ? data[entry] : undefined;
  if (text !== undefined) return { text, isSecret };
  if (isOptional) return undefined;
  throw new Error(`valuesFrom names ${shown(key)}, which has no entry ${entry}`);
}

function added(values: JsonMap, last: JsonMap, reference: Json, text: string): JsonMap {
  const path = textAt(reference, "targetPath");
  if (path !== "") {
    const all = merged(values, last);
    setPath(all, path, text, isTrueAt(reference, "literal"));
    return all;
  }
  const parsed = parseGoYaml(text);
  if (parsed === null) return values;
  if (!isMap(parsed)) throw new Error("the entry that valuesFrom names is no map of values");
  return merged(values, parsed);
}
