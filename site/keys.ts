/** The keys of the site file, as paths, from its schema. A map's entries are `*`. Pure. */
import { z } from "zod";
import { siteSchema } from "./schema";

/** Keys with a value of their own, entries of maps, and maps of keys that may be left out. */
export function siteKeys(): string[] {
  return keysOf(siteSchema, "");
}

/** Maps that say nothing by themselves: to leave one out is to leave out its keys. */
const GROUPS: readonly string[] = [
  "ssh",
  "jumpHosts",
  "network",
  "api",
  "drain",
  "profiles",
  "hypervisors",
  "checks",
  "vms",
  "volumes",
  "shares",
  "settings",
  "flux",
  "seeds",
  "chart",
  "values",
];

function keysOf(schema: unknown, path: string): string[] {
  const inner = unwrapped(schema);
  const below = (key: string): string => (path === "" ? key : `${path}.${key}`);
  const isGroup = GROUPS.includes(path.slice(path.lastIndexOf(".") + 1));
  const own = path === "" || isGroup ? [] : [path];
  if (inner instanceof z.ZodObject) {
    const keys = Object.entries(inner.shape).flatMap(([key, value]) => keysOf(value, below(key)));
    return [...own, ...keys];
  }
  if (inner instanceof z.ZodRecord) return keysOf(inner.valueType, below("*"));
  return own;
}

function unwrapped(schema: unknown): unknown {
  return schema instanceof z.ZodOptional || schema instanceof z.ZodNullable
    ? unwrapped(schema.unwrap())
    : schema;
}
