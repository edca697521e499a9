/**
 * Property values of the engine's event log. A secret becomes a `Hidden` as soon as it is read, so
 * that nothing after this file can show it. Source of the marks: pulumi/pulumi
 * sdk/go/common/resource/sig, and the unknown values of resource/plugin/rpc.go.
 */
import { createHmac } from "node:crypto";

export const SIGNATURE_KEY = "4dabf18193072939515e22adb298388d";
const SECRET_SIGNATURE = "1b47061264138c4ac30d75fd1eb44270";
const UNKNOWN_STRINGS: ReadonlySet<string> = new Set([
  "04da6b54-80e4-46f7-96ec-b56ff0331ba9",
  "1c4a061d-8072-4f0a-a4cb-0ff528b18fe7",
  "3eeb2bf0-c639-47a8-9e75-3b44932eb421",
  "6a19a0b0-7e62-4c92-b797-7f8e31da9cc2",
  "030794c1-ac77-496b-92df-f27374a8bd58",
  "e48ece36-62e2-4504-bad9-02848725956a",
  "dd056dcd-154b-4c76-9bd3-c8f88648b5ff",
]);

/** A secret, of which only a keyed hash is kept. Empty without a key, or without the value. */
export class Hidden {
  constructor(readonly keyedHash: string) {}
  toJSON(): string {
    return "[secret]";
  }
}

/** A value that the preview cannot know. */
export class Unknown {
  toJSON(): string {
    return "[unknown]";
  }
}

export type Value = null | boolean | number | string | Hidden | Unknown | Value[] | ValueMap;
export interface ValueMap {
  [key: string]: Value;
}

/** Reads values of one log: hides its secrets, and learns them to redact texts. */
export class ValueReader {
  private readonly secrets = new Set<string>();

  /** Without a key, secret values cannot be compared. */
  constructor(private readonly key: string | undefined) {}

  map(data: Record<string, unknown>): ValueMap {
    const entries = Object.entries(data).map(([name, item]) => [name, this.value(item)] as const);
    return Object.fromEntries(entries);
  }

  value(data: unknown): Value {
    if (typeof data === "string") return UNKNOWN_STRINGS.has(data) ? new Unknown() : data;
    if (typeof data === "number" || typeof data === "boolean") return data;
    if (Array.isArray(data)) return data.map((item) => this.value(item));
    if (typeof data !== "object" || data === null) return null;
    const map = Object.fromEntries(Object.entries(data));
    return map[SIGNATURE_KEY] === SECRET_SIGNATURE ? this.hide(map["plaintext"]) : this.map(map);
  }

  /** The text without the secrets of the values that were read before. */
  redact(text: string): string {
    const longestFirst = [...this.secrets].sort((a, b) => b.length - a.length);
    return longestFirst.reduce((rest, secret) => rest.replaceAll(secret, "[secret]"), text);
  }

  private hide(plaintext: unknown): Hidden {
    if (typeof plaintext !== "string") return new Hidden("");
    this.learn(parsed(plaintext));
    if (this.key === undefined) return new Hidden("");
    return new Hidden(createHmac("sha256", this.key).update(plaintext).digest("hex"));
  }

  private learn(value: unknown): void {
    if (typeof value === "string") {
      // A text may be quoted line by line, or as JSON. Short lines are not worth hiding.
      const lines = value.split("\n").map((line) => line.trim());
      for (const part of [value, JSON.stringify(value).slice(1, -1), ...lines]) {
        if (part.length >= SHORTEST_SECRET) this.secrets.add(part);
      }
    } else if (typeof value === "object" && value !== null) {
      for (const item of Object.values(value)) this.learn(item);
    }
  }
}

const SHORTEST_SECRET = 6;

/** The engine writes the plain value of a secret as JSON. */
function parsed(plaintext: string): unknown {
  try {
    return JSON.parse(plaintext);
  } catch {
    return plaintext;
  }
}

export function isMap(value: Value | undefined): value is ValueMap {
  return (
    typeof value === "object" &&
    value !== null &&
    !Array.isArray(value) &&
    !(value instanceof Hidden) &&
    !(value instanceof Unknown)
  );
}

/**
 * The value at a property path as the engine writes it: `a.b`, `a["b.c"]`, `a[0]`. Undefined if
 * there is none.
 */
export function at(map: ValueMap, path: string): Value | undefined {
  let value: Value | undefined = map;
  for (const key of keysOf(path)) {
    if (Array.isArray(value)) value = value[Number(key)];
    else if (isMap(value)) value = Object.hasOwn(value, key) ? value[key] : undefined;
    else return undefined;
  }
  return value;
}

const KEY = /\["((?:[^"\\]|\\.)*)"\]|\[(\d+)\]|\.?([^.[]+)/gy;

function keysOf(path: string): string[] {
  return [...path.matchAll(KEY)].map(([, quoted, index, name]) =>
    quoted === undefined ? (index ?? name ?? "") : unquoted(quoted),
  );
}

function unquoted(text: string): string {
  const value = parsed(`"${text}"`);
  return typeof value === "string" ? value : text;
}

/** JSON with sorted keys. A secret is its keyed hash. Equal values have equal texts. */
export function canonical(value: Value | undefined): string {
  if (value === undefined) return "absent";
  if (value instanceof Hidden) return `secret:${JSON.stringify(value.keyedHash)}`;
  if (value instanceof Unknown) return "unknown";
  if (Array.isArray(value)) return `[${value.map(canonical).join(",")}]`;
  if (!isMap(value)) return JSON.stringify(value);
  const items = Object.keys(value)
    .sort()
    .map((key) => `${JSON.stringify(key)}:${canonical(value[key])}`);
  return `{${items.join(",")}}`;
}
