/** The members of the k0s cluster in a status. Pure. */
import { z } from "zod";
import type { Look } from "../state/look";
import { oneLine } from "./escape";

export interface MemberStatus {
  name: string;
  role: string;
  /** ready, not ready, incomplete or cordoned; unknown if nobody could read it. */
  state: string;
  condition: Look["condition"];
  drifted: string[];
  /** Why it could not be read, or why the API of a controller does not answer. */
  reason: string;
}

const unavailableSchema = z.record(z.string(), z.string()).catch({});

/** `clusters`: what was found of K0sCluster, which knows why a controller does not answer. */
export function membersOf(nodes: readonly Look[], clusters: readonly Look[]): MemberStatus[] {
  const unavailable = unavailableSchema.parse(clusters[0]?.observed?.["unavailable"]);
  return nodes
    .map(({ resource: { inputs }, observed, condition, paths, reason }) => {
      const name = text(inputs["name"]);
      const why = reason === "" ? (unavailable[name] ?? "") : reason;
      const state = text(observed?.["status"]) || "unknown";
      return { name, role: text(inputs["role"]), state, condition, drifted: paths, reason: why };
    })
    .sort((a, b) => (a.name < b.name ? -1 : 1));
}

export const MEMBER_COLUMNS = ["MEMBER", "ROLE", "STATE", ""];

/** Several members that cannot be read have one reason, which is shown once. */
export function memberRows(members: readonly MemberStatus[]): string[][] {
  const shown = new Set<string>();
  return members.map(({ name, role, state, condition, drifted, reason }) => {
    const isNew = reason !== "" && !shown.has(reason);
    shown.add(reason);
    const notes = [
      ...(condition === "ok" || condition === "drifted" ? [] : [condition]),
      ...drifted.filter((path) => path !== "status").map((path) => `drifted: ${path}`),
      ...(isNew ? [oneLine(reason)] : []),
    ];
    return [name, role, state, notes.join("; ")];
  });
}

const text = (value: unknown): string => (typeof value === "string" ? value : "");
