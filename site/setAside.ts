/** A site file without its faults, as far as the rules that look at several fields together can still see it. Pure. */
import type { z } from "zod";
import { siteSchema } from "./schema";
import type { SiteFile } from "./schema";

/** In place of what has to be stated and is not right: passes the schema, and claims what nobody has. */
const STAND_INS: Readonly<Record<string, unknown>> = {
  flake: "x",
  mac: "02:ff:ff:ff:ff:ff",
  ip: "0.0.0.1",
  hypervisor: "x",
  address: "x",
  nic: "x",
  hostIp: "0.0.0.1/0",
  hostKey: "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f",
};

/** Undefined where nothing is left that the schema takes. */
export function setAside(value: unknown, issues: z.core.$ZodIssue[]): SiteFile | undefined {
  const copy: unknown = structuredClone(value);
  for (const issue of issues) {
    const path = issue.path.map(String);
    if (issue.code === "unrecognized_keys")
      for (const key of issue.keys) remove(copy, [...path, key]);
    // What a profile lacks, its VMs would lack too.
    else if (path[0] === "profiles") remove(copy, path.slice(0, 2));
    else standIn(copy, path);
  }
  const parsed = siteSchema.safeParse(copy);
  if (parsed.success) return parsed.data;
  for (const issue of parsed.error.issues) remove(copy, issue.path.map(String).slice(0, 2));
  return siteSchema.safeParse(copy).data;
}

export function at(value: unknown, path: readonly (string | number)[]): unknown {
  return path.reduce<unknown>((inner, part) => {
    if (typeof inner !== "object" || inner === null) return undefined;
    return new Map<string, unknown>(Object.entries(inner)).get(String(part));
  }, value);
}

function standIn(value: unknown, path: string[]): void {
  remove(value, path);
  const key = path.at(-1) ?? "";
  const parent = at(value, path.slice(0, -1));
  if (typeof parent === "object" && parent !== null && Object.hasOwn(STAND_INS, key)) {
    Object.assign(parent, { [key]: STAND_INS[key] });
  }
}

function remove(value: unknown, path: string[]): void {
  const parent = at(value, path.slice(0, -1));
  const key = path.at(-1);
  if (typeof parent === "object" && parent !== null && key !== undefined)
    Reflect.deleteProperty(parent, key);
}
