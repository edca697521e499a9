/** A plan in words, for the preview. Pure. */
import type { ClusterStep } from "../../contract/notices";
import { needed } from "./members";
import type { Quorum } from "./members";
import type { Plan, Step } from "./plan";
import type { Action, Reason } from "./planGate";

/** One line for each step, then what blocks or refuses the plan. No lines if nothing is to do. */
export function describePlan(plan: Plan): string[] {
  return [
    ...stepsOf(plan).flatMap(linesOfStep),
    ...plan.refusals.map((reason) => `refused: ${sentence(reason)}`),
  ];
}

/** The steps in words. The last one may be blocked. */
export function stepsOf({ steps, blocked }: Plan): ClusterStep[] {
  const blockers = blocked?.reasons.map(sentence) ?? [];
  return [
    ...steps.map((step) => inWords(step, [])),
    ...(blocked === undefined ? [] : [inWords(blocked.step, blockers)]),
  ];
}

function inWords(step: Step, blockers: string[]): ClusterStep {
  const { action, names } = step;
  return { action, names, text: describeStep(step), blockers };
}

function linesOfStep({ text, blockers }: ClusterStep, index: number): string[] {
  const blocked = blockers.length === 0 ? "" : "blocked: ";
  return [`${index + 1}. ${blocked}${text}`, ...blockers.map((blocker) => `   ${blocker}`)];
}

/** `kc2 joins: controllers 1 -> 2, quorum 1 -> 2` */
export function describeStep({ action, names, before, after, interruptsApi }: Step): string {
  const verb = names.length === 1 ? VERBS[action].one : VERBS[action].many;
  const interruption = interruptsApi
    ? `; the API can be unavailable meanwhile: ${healthOf(before)}, ` +
      `and ${needed(before.voters)} needed`
    : "";
  return `${names.join(", ")} ${verb}: ${change(before, after)}${interruption}`;
}

const VERBS: Readonly<Record<Action, { one: string; many: string }>> = {
  found: { one: "founds the cluster", many: "found the cluster" },
  join: { one: "joins", many: "join" },
  change: { one: "changes", many: "change" },
  leave: { one: "is drained and leaves", many: "are drained and leave" },
  remove: { one: "is dead and is removed", many: "are dead and are removed" },
};

function change(before: Quorum, after: Quorum): string {
  const from = before.voters === 0 ? 0 : needed(before.voters);
  const healthy = `${before.healthy} -> ${after.healthy} of ${after.voters}`;
  return `healthy controllers ${healthy}, quorum ${from} -> ${needed(after.voters)}`;
}

function healthOf({ healthy, voters }: Quorum): string {
  return `${healthy} of ${voters} controllers healthy`;
}

export function sentence(reason: Reason): string {
  const { what, remedy } = wordsOf(reason);
  return `${what}; ${remedy}`;
}

/** A remedy as errors have it. */
export const asSentence = (remedy: string): string =>
  `${remedy.charAt(0).toUpperCase()}${remedy.slice(1)}.`;

/** `remedy` is an instruction, as a part of a sentence. */
export function wordsOf(reason: Reason): { what: string; remedy: string } {
  switch (reason.code) {
    case "no-controller":
      return {
        what: "no controller would remain",
        remedy:
          "keep one controller in the site; to end the cluster, remove `cluster` and all roles",
      };
    case "founder-gone":
      return {
        what: `${reason.founder} was chosen to found the cluster, and is no controller of the site`,
        remedy: `add ${reason.founder} as a controller again until the cluster exists`,
      };
    case "too-many-leave": {
      const { controllers, allowed } = reason;
      const leaving = [...reason.leaving].sort();
      return {
        what:
          `${list(leaving)} would leave in one change: ${leaving.length} of ${controllers} ` +
          `controllers, whose quorum is ${needed(controllers)}`,
        remedy: `remove at most ${allowed} in one change, and run up before the next`,
      };
    }
    case "role-changes":
      return {
        what: `${reason.name} would change its role from ${reason.from} to ${reason.to}`,
        remedy: `remove its role, run up, then state the new role`,
      };
    case "downgrade":
      return {
        what: `${reason.name} would go back from k0s ${reason.from} to ${reason.to}`,
        remedy: "state a version that is not older; k0s cannot be downgraded",
      };
    case "minor-skipped":
      return {
        what: `${reason.name} would skip a minor version, from k0s ${reason.from} to ${reason.to}`,
        remedy: "raise cluster.k0sVersion by one minor version, and run up before the next",
      };
    case "no-quorum": {
      const { healthy, voters, needed: least, down } = reason;
      const who = down.length === 0 ? "" : ` (down: ${list(down)})`;
      return {
        what:
          `etcd has no quorum: ${healthy} of ${voters} controllers healthy, ` +
          `${least} needed${who}`,
        remedy: "start the controllers that are down, or restore a backup",
      };
    }
    case "unhealthy":
      return {
        what: `other controllers are not healthy: ${list(reason.controllers)}`,
        remedy: "repair them first, or remove them from the site",
      };
    case "too-many-down":
      return {
        what: `${list(reason.down)} ${reason.down.length === 1 ? "is" : "are"} down already`,
        remedy: `repair them first, or raise cluster.maxUnavailable (${reason.maxUnavailable})`,
      };
    case "skew": {
      const workers = reason.workers.map(({ name, version }) => `${name} (${version})`);
      return {
        what:
          `workers would be more than one minor version older than k0s ${reason.to}: ` +
          list(workers),
        remedy: "update or remove these workers first",
      };
    }
  }
}

const list = (names: readonly string[]): string =>
  names.length < 2 ? names.join("") : `${names.slice(0, -1).join(", ")} and ${names.at(-1) ?? ""}`;
