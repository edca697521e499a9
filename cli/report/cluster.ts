/** The plan of the k0s cluster in a comment. Without a cluster that changes, nothing. Pure. */
import type { ClusterAction, ClusterPlan, ClusterStep } from "../../contract/notices";
import { code } from "./escape";

/** For the overview, without Markdown: what a reviewer must not miss. */
export interface ClusterGlance {
  /** What -> a sentence about it. */
  facts: [string, string][];
  /** What -> names. */
  lists: [string, string[]][];
}

export function clusterGlance(cluster: ClusterPlan | undefined): ClusterGlance {
  if (cluster === undefined) return { facts: [], lists: [] };
  const { interruption, unread } = cluster;
  const blocked = blockedSteps(cluster).map(
    ({ names, blockers }) => `${names.join(", ")}: ${blockers.join("; ")}`,
  );
  return {
    facts: [
      ["A step of the cluster is blocked", blocked.join("; ")],
      ["The cluster was not read", unread],
      ["The cluster's API can be unavailable", interruption],
    ],
    lists: [
      ["Members that leave the cluster", namesOf(cluster, "leave")],
      ["Dead members that are removed", namesOf(cluster, "remove")],
    ],
  };
}

/** For the headline. */
export function clusterHeadline(cluster: ClusterPlan | undefined): string[] {
  if (cluster === undefined) return [];
  return [
    ...(blockedSteps(cluster).length > 0 ? ["a blocked step of the cluster"] : []),
    ...(cluster.interruption === "" ? [] : ["an interruption of the API"]),
  ];
}

export function clusterSteps(cluster: ClusterPlan | undefined): { head: string; items: string[] } {
  if (cluster === undefined) return { head: "", items: [] };
  const { unread, remark, steps } = cluster;
  const said = [...given(unread), ...given(remark)].map((text) => `${code(text, LONGEST)}\n\n`);
  return { head: said.join(""), items: steps.map(item) };
}

/** The lines of a terminal. */
export function clusterLines(cluster: ClusterPlan | undefined): string[] {
  if (cluster === undefined) return [];
  const { name, steps, unread, remark } = cluster;
  return [
    ...given(unread).map((text) => `cluster ${name}: ${text}`),
    ...steps.map(({ text, blockers }) => {
      const why = blockers.length === 0 ? "" : ` blocked: ${blockers.join("; ")}`;
      return `cluster ${name}: ${text}${why}`;
    }),
    ...given(remark).map((text) => `cluster ${name}: ${text}`),
  ];
}

const LONGEST = 600;

function item({ text, blockers }: ClusterStep, index: number): string {
  const blocked = blockers.length === 0 ? "" : "**blocked**: ";
  const reasons = blockers.map((blocker) => `   - ${code(blocker, LONGEST)}\n`);
  return `${index + 1}. ${blocked}${code(text, LONGEST)}\n${reasons.join("")}`;
}

/** A change is never blocked: VMs change their systems by themselves. */
function blockedSteps({ steps }: ClusterPlan): ClusterStep[] {
  return steps.filter(({ action, blockers }) => action !== "change" && blockers.length > 0);
}

function namesOf({ steps }: ClusterPlan, action: ClusterAction): string[] {
  return steps.filter((step) => step.action === action).flatMap(({ names }) => names);
}

const given = (text: string): string[] => (text === "" ? [] : [text]);
