/** The plan of the cluster as a preview reports it. Pure. */
import { isController } from "../../../contract/names";
import type { ClusterPlan } from "../../../contract/notices";
import type { Plan, Step } from "../../cluster/plan";
import { describePlan, stepsOf } from "../../cluster/planWords";
import { planOfCluster } from "./clusterPlan";
import { unavailability } from "./clusterView";
import type { View } from "./clusterView";
import type { Inputs } from "./k0sClusterState";

export interface Report {
  /** For people. */
  text: string;
  /** For programs. */
  plan: ClusterPlan;
}

/** Undefined if nothing is to do. */
export function reportOf(
  wanted: Inputs,
  view: View,
  before: Inputs | undefined,
): Report | undefined {
  const plan = planOfCluster(wanted, view, before);
  const steps = stepsOf(plan);
  if (steps.length === 0) return undefined;
  const changing = changesOf(plan);
  const unread = before === undefined ? "" : unreadOf(view);
  const remark = remarkOf(changing);
  const lines = [`cluster ${wanted.name}:`, unread, ...describePlan(plan), remark];
  const interruption = interruptionOf(wanted, before, changing);
  return {
    text: lines.filter((line) => line !== "").join("\n"),
    plan: { name: wanted.name, steps, interruption, unread, remark },
  };
}

function changesOf({ steps, blocked }: Plan): Step[] {
  const all = [...steps, ...(blocked === undefined ? [] : [blocked.step])];
  return all.filter(({ action }) => action === "change");
}

/** Members wait for each other when they join and leave, and not yet when their systems change. */
function remarkOf(changing: readonly Step[]): string {
  if (changing.length === 0) return "";
  return "Changes are not made in this order yet: each VM changes its system by itself.";
}

/** By restarts of k0s. Restarts of VMs are their own lines of a report. */
function interruptionOf(
  { members }: Inputs,
  before: Inputs | undefined,
  changing: readonly Step[],
): string {
  const restarts = (name: string): boolean => {
    const [was, is] = [before?.members[name], members[name]];
    return was?.k0sUnit !== is?.k0sUnit || was?.k0sVersion !== is?.k0sVersion;
  };
  const controllers = changing
    .flatMap(({ names }) => names)
    .filter((name) => isController(members[name]?.role) && restarts(name));
  const [first, ...more] = controllers;
  if (first === undefined) return "";
  if (more.length > 0) return `k0s restarts side by side on ${controllers.join(", ")}`;
  const step = changing.find(({ names }) => names.includes(first));
  return step?.interruptsApi === true ? `k0s restarts on ${first}, without a quorum meanwhile` : "";
}

/** `workers`: the API was asked, and has answered. */
function unreadOf({ controllers, workers }: View): string {
  if (workers !== undefined) return "";
  const causes = controllers.flatMap((seen) => {
    const why = unavailability(seen);
    return why === undefined ? [] : [`${seen.name}: ${why}`];
  });
  const why = causes.length === 0 ? "" : ` (${causes.join("; ")})`;
  return `The API does not answer${why}: the plan assumes the recorded workers.`;
}
