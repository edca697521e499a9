/**
 * Typed property values: the only file that knows how Pulumi marks secrets and unknowns.
 * Source of the markers: pulumi/pulumi sdk/go/common/resource/{sig,plugin/rpc}.go.
 */
const SIGNATURE_KEY = "4dabf18193072939515e22adb298388d";
const SECRET_SIGNATURE = "1b47061264138c4ac30d75fd1eb44270";
const OUTPUT_SIGNATURE = "d0e6a833031e9bbcd3f4e8bde6ca49a4";
const UNKNOWN_STRINGS = new Set([
  "04da6b54-80e4-46f7-96ec-b56ff0331ba9", // string, and computed of any type
  "1c4a061d-8072-4f0a-a4cb-0ff528b18fe7", // bool
  "3eeb2bf0-c639-47a8-9e75-3b44932eb421", // number
  "6a19a0b0-7e62-4c92-b797-7f8e31da9cc2", // array
  "030794c1-ac77-496b-92df-f27374a8bd58", // asset
  "e48ece36-62e2-4504-bad9-02848725956a", // archive
  "dd056dcd-154b-4c76-9bd3-c8f88648b5ff", // object
]);
export const UNKNOWN_STRING = "04da6b54-80e4-46f7-96ec-b56ff0331ba9";

/** A value that Pulumi encrypts in its state and hides in what it shows. */
export class Secret {
  constructor(readonly value: Value) {}
}

/** A value that is not known yet, such as an output that a preview cannot compute. */
export class Unknown {
  private readonly kind = "unknown";
  toString(): string {
    return `<${this.kind}>`;
  }
}
export const UNKNOWN = new Unknown();

export type Value = null | boolean | number | string | Secret | Unknown | Value[] | ValueMap;
export interface ValueMap {
  [key: string]: Value;
}

/** A value without secret marks. It may still contain unknowns. */
export type Plain = null | boolean | number | string | Unknown | Plain[] | { [key: string]: Plain };
export type PlainMap = Record<string, Plain>;

export function isMap(value: Value | undefined): value is ValueMap {
  return (
    typeof value === "object" &&
    value !== null &&
    !Array.isArray(value) &&
    !(value instanceof Secret) &&
    !(value instanceof Unknown)
  );
}

/** The value of a decoded map that Pulumi marks as a secret or an output. */
export function marked(map: ValueMap): Value {
  const signature = map[SIGNATURE_KEY];
  if (signature === SECRET_SIGNATURE) return new Secret(map["value"] ?? null);
  if (signature !== OUTPUT_SIGNATURE) return map;
  const value = map["value"] ?? UNKNOWN;
  return map["secret"] === true ? new Secret(value) : value;
}

/** A decoded string, or the unknown value that it marks. */
export function unknownOr(text: string): Value {
  return text.length === UNKNOWN_STRING.length && UNKNOWN_STRINGS.has(text) ? UNKNOWN : text;
}

/** A secret in Pulumi's format. */
export function secretMarks({ value }: Secret): ValueMap {
  return { [SIGNATURE_KEY]: SECRET_SIGNATURE, value };
}

/** Opens every secret, at any depth. The result must not leave the provider unmarked. */
export function reveal(value: ValueMap): PlainMap {
  return fromEntries(Object.entries(value).map(([key, item]) => [key, revealValue(item)]));
}

function revealValue(value: Value): Plain {
  if (value instanceof Secret) return revealValue(value.value);
  if (Array.isArray(value)) return value.map(revealValue);
  return isMap(value) ? reveal(value) : value;
}

/** Marks in `value` what is secret in `template`, path by path; outputs inherit it from inputs. */
export function markLike(value: Value, template: Value | undefined): Value {
  if (value === template || template === undefined) return value;
  if (template instanceof Secret) return value instanceof Secret ? value : new Secret(value);
  if (Array.isArray(value) && Array.isArray(template)) {
    return value.map((item, index) => markLike(item, template[index]));
  }
  if (!isMap(value) || !isMap(template)) return value;
  return fromEntries(
    Object.entries(value).map(([key, item]) => [key, markLike(item, template[key])]),
  );
}

/** Typed data as a wire value; what JSON leaves out (undefined, functions) is left out here too. */
export function toValue(data: unknown): Value {
  if (data instanceof Secret || data instanceof Unknown) return data;
  if (typeof data === "string" || typeof data === "number" || typeof data === "boolean")
    return data;
  if (Array.isArray(data)) return data.map(toValue);
  if (typeof data !== "object" || data === null) return null;
  return toMap(data);
}

export function toMap(data: object): ValueMap {
  return fromEntries(
    Object.entries(data)
      .filter(([, item]) => item !== undefined)
      .map(([key, item]) => [key, toValue(item)]),
  );
}

export function containsUnknown(value: Value | Plain | undefined): boolean {
  if (value instanceof Unknown) return true;
  if (value instanceof Secret) return containsUnknown(value.value);
  if (Array.isArray(value)) return value.some((item) => containsUnknown(item));
  return typeof value === "object" && value !== null && Object.values(value).some(containsUnknown);
}

export function containsSecret(value: Value | undefined): boolean {
  if (value instanceof Secret) return true;
  if (Array.isArray(value)) return value.some((item) => containsSecret(item));
  return isMap(value) && Object.values(value).some(containsSecret);
}

/** Equality by content; a secret equals its open value, an unknown equals nothing. */
export function equal(a: Value | undefined, b: Value | undefined): boolean {
  if (typeof a !== "object" && typeof b !== "object") return a === b;
  if (a instanceof Secret) return equal(a.value, b);
  if (b instanceof Secret) return equal(a, b.value);
  if (a instanceof Unknown || b instanceof Unknown) return false;
  if (Array.isArray(a) && Array.isArray(b)) {
    return a.length === b.length && a.every((item, index) => equal(item, b[index]));
  }
  if (!isMap(a) || !isMap(b)) return a === b;
  const keys = new Set([...Object.keys(a), ...Object.keys(b)]);
  return [...keys].every((key) => equal(a[key], b[key]));
}

/** Object.fromEntries that keeps a key named `__proto__` an ordinary key. */
function fromEntries<T>(entries: [string, T][]): Record<string, T> {
  return Object.fromEntries(entries);
}
