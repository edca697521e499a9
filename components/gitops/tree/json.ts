/** Values of YAML and JSON, and how to reach into them. Pure. */

export type Json = null | boolean | number | string | Json[] | JsonMap;
export interface JsonMap {
  [key: string]: Json;
}

export function isMap(value: unknown): value is JsonMap {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** The value at the keys. Undefined if there is none. */
export function at(value: Json | undefined, ...keys: string[]): Json | undefined {
  return keys.reduce<Json | undefined>((inner, key) => {
    return isMap(inner) && Object.hasOwn(inner, key) ? inner[key] : undefined;
  }, value);
}

/** The map at the keys, or an empty one. */
export function mapAt(value: Json | undefined, ...keys: string[]): JsonMap {
  const found = at(value, ...keys);
  return isMap(found) ? found : {};
}

/** The list at the keys, or an empty one. */
export function listAt(value: Json | undefined, ...keys: string[]): Json[] {
  const found = at(value, ...keys);
  return Array.isArray(found) ? found : [];
}

/** The text at the keys. Empty if there is none. */
export function textAt(value: Json | undefined, ...keys: string[]): string {
  const found = at(value, ...keys);
  return typeof found === "string" ? found : "";
}

export function textsAt(value: Json | undefined, ...keys: string[]): string[] {
  return listAt(value, ...keys).filter((item) => typeof item === "string");
}

/** The entries of a map of texts; other values are left out. */
export function textMapAt(value: Json | undefined, ...keys: string[]): Record<string, string> {
  const all = Object.entries(mapAt(value, ...keys));
  return Object.fromEntries(
    all.filter((entry): entry is [string, string] => typeof entry[1] === "string"),
  );
}

export function isTrueAt(value: Json | undefined, ...keys: string[]): boolean {
  return at(value, ...keys) === true;
}

/** As Helm merges values: maps are merged, and everything else is replaced. */
export function merged(base: JsonMap, over: JsonMap): JsonMap {
  const result: JsonMap = { ...base };
  for (const [key, value] of Object.entries(over)) {
    const before = Object.hasOwn(result, key) ? result[key] : undefined;
    result[key] = isMap(before) && isMap(value) ? merged(before, value) : value;
  }
  return result;
}

/** JSON with sorted keys, so that equal values have equal texts. */
export function sortedJson(value: Json): string {
  return JSON.stringify(sorted(value));
}

function sorted(value: Json): Json {
  if (Array.isArray(value)) return value.map(sorted);
  if (!isMap(value)) return value;
  const entries = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
  return Object.fromEntries(entries.map(([key, item]) => [key, sorted(item)]));
}
