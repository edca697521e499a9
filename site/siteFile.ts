/** YAML value -> a site file without its faulty values, and the issues of these. Pure. */
import { z } from "zod";
import { entryOf } from "./entries";
import { suggestion } from "./issues";
import type { Issue, Path } from "./issues";
import { scalarIssue } from "./scalars";
import { siteSchema } from "./schema";
import type { SiteFile } from "./schema";

/** Paths whose values are not known, because what the file has there is faulty. */
export type FaultyPaths = (path: Path) => boolean;

export interface ReadFile {
  file: SiteFile;
  issues: Issue[];
  isFaulty: FaultyPaths;
  /** Something at the path, around it or inside it is faulty. */
  hasFaultBelow: FaultyPaths;
}

/**
 * `known` are the issues that the YAML itself has; the values there are not used. Undefined if the
 * value is no map.
 */
export function readSiteFile(
  value: unknown,
  known: readonly Issue[],
): ReadFile | { file: undefined; issues: Issue[] } {
  const issues: Issue[] = [];
  const faulty = known.map(({ path }) => path);
  let parsed = siteSchema.safeParse(value);
  const rest: unknown = parsed.success ? value : structuredClone(value);
  while (!parsed.success) {
    const found = parsed.error.issues.flatMap((issue) => issuesOf(issue));
    // An alias without anchor reads as null, and its own issue says so already.
    issues.push(...found.filter(({ path }) => !known.some((one) => isSame(one.path, path))));
    const wholes = found.map(({ path }) => path.slice(0, indexOfItem(path)));
    faulty.push(...wholes);
    if (!wholes.map((path) => remove(rest, path)).includes(true))
      return { file: undefined, issues };
    parsed = siteSchema.safeParse(rest);
  }
  const isFaulty = faultyPaths(faulty);
  const hasFaultBelow: FaultyPaths = (path) =>
    isFaulty(path) || faulty.some((one) => isSame(one.slice(0, path.length), path));
  return { file: parsed.data, issues, isFaulty, hasFaultBelow };
}

/** A list with a faulty item is faulty as a whole. */
function indexOfItem(path: Path): number {
  const index = path.findIndex((part) => typeof part === "number");
  return index < 0 ? path.length : index;
}

const isSame = (a: Path, b: Path): boolean => JSON.stringify(a) === JSON.stringify(b);

/** A path is faulty if it or what it is in is faulty, or if a merge key may have stated it. */
function faultyPaths(paths: readonly Path[]): FaultyPaths {
  const keys = new Set(
    paths.filter(({ length }) => length > 0).map((path) => JSON.stringify(path)),
  );
  if (keys.size === 0) return () => false;
  return (path) =>
    path.some(
      (_, index) =>
        keys.has(JSON.stringify(path.slice(0, index + 1))) ||
        keys.has(JSON.stringify([...path.slice(0, index), "<<"])),
    );
}

function issuesOf(issue: z.core.$ZodIssue): Issue[] {
  const path = issue.path.filter((part) => typeof part !== "symbol");
  switch (issue.code) {
    case "unrecognized_keys": {
      const known = knownKeys(path);
      return issue.keys.map((key) => ({
        path: [...path, key],
        code: "unknown-key",
        what: "unknown key",
        remedy: known.length === 0 ? "remove it" : suggestion(key, known),
      }));
    }
    case "invalid_key":
      return issue.issues.flatMap((inner) => issuesOf({ ...inner, path }));
    case "invalid_type": {
      const remedy = "correct the value; quote it if it is text";
      return [{ path, code: "wrong-type", what: `must be ${wordFor(issue.expected)}`, remedy }];
    }
    case "invalid_value": {
      const remedy = `write ${issue.values.map(String).join(", ")}`;
      return [{ path, code: "not-one-of", what: "is not one of the allowed values", remedy }];
    }
    case "too_small":
      return [outOfRange(path, `write a number of at least ${String(issue.minimum)}`)];
    case "too_big":
      return [outOfRange(path, `write a number of at most ${String(issue.maximum)}`)];
    case "custom":
      return [{ path, code: "malformed", ...scalarIssue.parse(issue.params) }];
    default:
      return [{ path, code: "malformed", what: issue.message, remedy: "correct the value" }];
  }
}

function outOfRange(path: Path, remedy: string): Issue {
  return { path, code: "out-of-range", what: "is out of range", remedy };
}

/** The word that YAML users have for a type of zod's. */
function wordFor(type: string): string {
  const words: Readonly<Record<string, string>> = {
    record: "a map",
    object: "a map",
    array: "a list",
    int: "a whole number",
    number: "a number",
    string: "text",
    boolean: "true or false",
  };
  return words[type] ?? `a ${type}`;
}

/** Keys that the schema has for the map at `path`. */
function knownKeys(path: Path): string[] {
  let schema: z.core.$ZodType = siteSchema;
  for (const part of path) {
    schema = unwrap(schema);
    if (schema instanceof z.ZodObject) {
      const shape: Readonly<Record<string, z.core.$ZodType>> = schema.shape;
      schema = entryOf(shape, String(part)) ?? z.unknown();
    } else if (schema instanceof z.ZodRecord) schema = schema.valueType;
    else return [];
  }
  const inner = unwrap(schema);
  return inner instanceof z.ZodObject ? Object.keys(inner.shape) : [];
}

function unwrap(schema: z.core.$ZodType): z.core.$ZodType {
  return schema instanceof z.ZodOptional || schema instanceof z.ZodNullable
    ? unwrap(schema.unwrap())
    : schema;
}

/** Whether there was anything to remove. */
function remove(value: unknown, path: Path): boolean {
  const parent = path.slice(0, -1).reduce<unknown>((inner, part) => {
    if (typeof inner !== "object" || inner === null) return undefined;
    return new Map<string, unknown>(Object.entries(inner)).get(String(part));
  }, value);
  const key = path.at(-1);
  if (typeof parent !== "object" || parent === null || key === undefined) return false;
  return Object.hasOwn(parent, key) && Reflect.deleteProperty(parent, key);
}
