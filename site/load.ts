/** Reads a site file. The only place of `site/` with effects. */
import { readFileSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { z } from "zod";
import { parseSiteDocument } from "./document";
import type { SiteDocument } from "./document";
import { SiteError, formatPath, suggestion } from "./faults";
import type { Fault } from "./faults";
import type { SiteModel } from "./model";
import { normalise } from "./normalise";
import { checkRules } from "./rules";
import { siteSchema } from "./schema";
import { at, setAside } from "./setAside";
import type { SiteFile } from "./schema";

/** The site at `file`. Throws SiteError with every fault, each with file, line, column and remedy. */
export function loadSite(file: string): SiteModel {
  let text: string;
  try {
    text = readFileSync(file, "utf8");
  } catch (error) {
    const cause = error instanceof Error ? error.message : String(error);
    throw new SiteError([`${file}: the site file can't be read: ${cause}`]);
  }
  return parseSite(text, file);
}

/** As loadSite, from text; `file` is for messages and for what is relative to it. */
export function parseSite(text: string, file: string): SiteModel {
  const document = parseSiteDocument(text);
  const { site, faults } = validate(document);
  if (site !== undefined && faults.length === 0) {
    const directory = dirname(resolve(file));
    return normalise(site, {
      flake: (reference) => absoluteFlake(reference, directory),
      // `~` is the home of whoever runs the provider, and stays.
      file: (path) => (path.startsWith("~/") ? path : resolve(directory, path)),
    });
  }
  const lines = faults.map((fault) => ({
    fault,
    position: fault.position ?? positionOf(document, fault),
  }));
  lines.sort((a, b) => a.position.line - b.position.line || a.position.column - b.position.column);
  const messages = lines.map(({ fault, position }) => {
    const path = fault.path.length === 0 ? "" : ` ${formatPath(fault.path)}`;
    return `${file}:${position.line}:${position.column}${path}: ${fault.what}; ${fault.remedy}`;
  });
  throw new SiteError([...new Set(messages)]);
}

function positionOf(document: SiteDocument, fault: Fault) {
  return document.positionOf(fault.path, fault.what.startsWith("unknown key"));
}

/** `../x`, `path:../x` and `git+file:../x` are relative to the site file. */
function absoluteFlake(reference: string, directory: string): string {
  const local = /^(path:|git\+file:)?((?:\.{1,2}(?:\/|$)|\/).*)$/.exec(reference);
  if (local === null) return reference;
  return `${local[1] ?? ""}${resolve(directory, local[2] ?? "")}`;
}

function validate(document: SiteDocument): { site?: SiteFile; faults: Fault[] } {
  const { value } = document;
  if (value === undefined) return { faults: document.faults };
  const parsed = siteSchema.safeParse(value);
  const declared = {
    hypervisors: keysAt(value, ["hypervisors"]),
    profiles: keysAt(value, ["profiles"]),
    jumpHosts: keysAt(value, ["ssh", "jumpHosts"]),
  };
  if (parsed.success) {
    const faults = [...document.faults, ...checkRules(parsed.data, declared)];
    return { site: parsed.data, faults };
  }
  const { issues } = parsed.error;
  const faults = [...document.faults, ...issues.flatMap((issue) => faultsOf(issue, value))];
  // The rules still see what is left when the faults are set aside.
  const rest = setAside(value, issues);
  const more = rest === undefined ? [] : checkRules(rest, declared);
  return { faults: [...faults, ...more.filter((fault) => !followsFrom(fault, faults))] };
}

/** About something that is faulty in itself. */
function followsFrom(fault: Fault, others: readonly Fault[]): boolean {
  return others.some(
    ({ path }) => path.length > 0 && path.every((part, index) => fault.path[index] === part),
  );
}

function faultsOf(issue: z.core.$ZodIssue, value: unknown): Fault[] {
  const path = issue.path.filter((part) => typeof part !== "symbol");
  switch (issue.code) {
    case "unrecognized_keys": {
      const known = knownKeys(path);
      return issue.keys.map((key) => ({
        path: [...path, key],
        what: "unknown key",
        remedy: known.length === 0 ? "take it away" : suggestion(key, known),
      }));
    }
    case "invalid_key":
      return issue.issues.map((inner) => split(path, inner.message));
    case "invalid_type": {
      if (at(value, path) === undefined)
        return [{ path, what: "is missing", remedy: `state it (${wordFor(issue.expected)})` }];
      return [
        {
          path,
          what: `must be ${wordFor(issue.expected)}`,
          remedy: "correct the value; quote it where it is text",
        },
      ];
    }
    case "invalid_value":
      return [
        {
          path,
          what: "is not one of its values",
          remedy: `write ${issue.values.map(String).join(", ")}`,
        },
      ];
    case "too_small":
    case "too_big":
      return [
        { path, what: "is out of range", remedy: issue.message.replace(/^Too (small|big): /, "") },
      ];
    default:
      return [split(path, issue.message)];
  }
}

/** A type of zod's in words of YAML. */
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

/** The schema's own messages are `what; remedy`. */
function split(path: (string | number)[], message: string): Fault {
  const [what = "", remedy = "correct it"] = message.split("; ");
  return { path, what, remedy };
}

function keysAt(value: unknown, path: readonly string[]): string[] {
  const map = at(value, path);
  return typeof map === "object" && map !== null ? Object.keys(map) : [];
}

/** Keys that the schema knows at a path, for suggestions. */
function knownKeys(path: readonly (string | number)[]): string[] {
  let schema: z.core.$ZodType = siteSchema;
  for (const part of path) {
    schema = unwrap(schema);
    if (schema instanceof z.ZodObject) {
      const shape: Record<string, z.core.$ZodType> = schema.shape;
      schema = shape[String(part)] ?? z.unknown();
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
