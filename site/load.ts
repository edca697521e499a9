/** Reads a site file. The only place of `site/` with effects. */
import { readFileSync } from "node:fs";
import { homedir } from "node:os";
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
      file: (path) => resolve(directory, path.replace(/^~(?=\/)/, homedir())),
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
  if (document.faults.length > 0) return { faults: document.faults };
  const parsed = siteSchema.safeParse(document.value);
  const declared = {
    hypervisors: keysAt(document.value, ["hypervisors"]),
    profiles: keysAt(document.value, ["profiles"]),
    jumpHosts: keysAt(document.value, ["ssh", "jumpHosts"]),
  };
  if (parsed.success) return { site: parsed.data, faults: checkRules(parsed.data, declared) };
  const faults = parsed.error.issues.flatMap((issue) => faultsOf(issue, document.value));
  // The rules still see what is left when the faulty VMs and hypervisors are set aside.
  const rest = siteSchema.safeParse(without(document.value, parsed.error.issues));
  return { faults: rest.success ? [...faults, ...checkRules(rest.data, declared)] : faults };
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
        return [{ path, what: "is missing", remedy: `state it (${issue.expected})` }];
      return [
        {
          path,
          what: `must be a ${issue.expected}`,
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

/** The schema's own messages are `what; remedy`. */
function split(path: (string | number)[], message: string): Fault {
  const [what = "", remedy = "correct it"] = message.split("; ");
  return { path, what, remedy };
}

function at(value: unknown, path: readonly (string | number)[]): unknown {
  return path.reduce<unknown>((inner, part) => {
    if (typeof inner !== "object" || inner === null) return undefined;
    return new Map<string, unknown>(Object.entries(inner)).get(String(part));
  }, value);
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

/** The value without its faulty entries of the top maps, and without unknown keys. */
function without(value: unknown, issues: z.core.$ZodIssue[]): unknown {
  if (typeof value !== "object" || value === null) return value;
  const copy: unknown = structuredClone(value);
  for (const issue of issues) {
    const path = issue.path.map(String);
    if (issue.code === "unrecognized_keys")
      for (const key of issue.keys) remove(copy, [...path, key]);
    else remove(copy, path.slice(0, path[0] === "ssh" || path[0] === "flake" ? 1 : 2));
  }
  return copy;
}

function remove(value: unknown, path: string[]): void {
  const parent = at(value, path.slice(0, -1));
  const key = path.at(-1);
  if (typeof parent === "object" && parent !== null && key !== undefined)
    Reflect.deleteProperty(parent, key);
}
