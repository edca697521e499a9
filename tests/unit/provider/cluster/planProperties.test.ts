/** What holds for every plan, whatever the members and the wish. */
import * as fc from "fast-check";
import { isController } from "../../../../contract/names";
import type { K0sRole } from "../../../../contract/names";
import type { ObservedMember, Runs, WantedMember } from "../../../../provider/cluster/members";
import { planOf } from "../../../../provider/cluster/plan";
import type { Plan, Step } from "../../../../provider/cluster/plan";
import { describePlan } from "../../../../provider/cluster/planWords";
import { SOAK } from "../../../selection";

jest.setTimeout(SOAK ? 600_000 : 60_000);

const NAMES = ["m0", "m1", "m2", "m3", "m4", "m5", "m6", "m7"];
const RUNS: Runs[] = ["1.36.1", "1.36.3", "1.37.0"].map((version) => ({
  closure: version,
  k0s: version,
  version,
}));

const role = fc.constantFrom<K0sRole[]>("controller", "controller", "worker", "controller+worker");
const runs = fc.constantFrom(...RUNS);
const health = fc.constantFrom("up", "up", "up", "up", "down", "lost");
const maybe = <T>(value: fc.Arbitrary<T>) => fc.option(value, { nil: undefined });

/** Roles mostly stay, so that not every plan is refused. */
const world = fc.record({
  roles: fc.tuple(...NAMES.map(() => role)),
  wants: fc.tuple(...NAMES.map(() => maybe(fc.boolean()))),
  target: runs,
  has: fc.tuple(...NAMES.map(() => maybe(fc.record({ runs, health, isLearner: fc.boolean() })))),
  maxUnavailable: fc.integer({ min: 1, max: 4 }),
  exists: fc.boolean(),
});
type World = typeof world extends fc.Arbitrary<infer T> ? T : never;

function membersOf({ roles, wants, target, has }: World): {
  wanted: WantedMember[];
  observed: ObservedMember[];
} {
  const wanted = NAMES.flatMap((name, index): WantedMember[] =>
    wants[index] === undefined
      ? []
      : [{ name, role: roles[index] ?? "worker", host: "h", runs: target }],
  );
  const observed = NAMES.flatMap((name, index): ObservedMember[] => {
    const one = has[index];
    const role = roles[index] ?? "worker";
    if (one === undefined) return [];
    const isLearner = one.isLearner && one.health === "up" && index % 4 === 3;
    return [
      {
        name,
        role,
        isHealthy: one.health === "up",
        hasLostData: one.health === "lost",
        runs: one.health === "lost" ? undefined : one.runs,
        ...(isController(role) && { etcd: isLearner ? "learner" : "voter" }),
      },
    ];
  });
  return { wanted, observed };
}

interface Fact {
  role: K0sRole;
  isHealthy: boolean;
  votes: boolean;
}

/** A model of the cluster that is independent of the planner's. */
class Model {
  readonly members = new Map<string, Fact>();

  constructor(
    observed: readonly ObservedMember[],
    private readonly wanted: readonly WantedMember[],
    private readonly maxUnavailable: number,
  ) {
    for (const { name, role, isHealthy, etcd } of observed) {
      this.members.set(name, { role, isHealthy, votes: etcd === "voter" });
    }
  }

  private all(): Fact[] {
    return [...this.members.values()];
  }

  voters(): number {
    return this.all().filter(({ votes }) => votes).length;
  }

  private healthy(except: readonly string[] = []): number {
    return [...this.members].filter(
      ([name, { votes, isHealthy }]) => votes && isHealthy && !except.includes(name),
    ).length;
  }

  hasQuorum(except: readonly string[] = []): boolean {
    return this.healthy(except) > this.voters() / 2;
  }

  take({ action, names, interruptsApi, before, after }: Step): void {
    const known = names.flatMap((name) => this.members.get(name) ?? []);
    const roles = names.flatMap((name) => this.roleOf(name));
    expect(roles.some(isController) ? names : names.slice(0, 1)).toHaveLength(1);
    expect(before).toEqual({ voters: this.voters(), healthy: this.healthy() });
    const wasUp = known.some(({ isHealthy }) => isHealthy);

    if (action === "found") expect(this.members.size).toBe(0);
    else if (action !== "change" || wasUp) expect(this.hasQuorum()).toBe(true);
    if (action === "change" && wasUp) {
      const holds = this.hasQuorum(names);
      expect(interruptsApi).toBe(!holds);
      // Only where no order of steps could keep it.
      if (this.voters() > 2) expect(holds).toBe(true);
    }
    if (wasUp && (action === "change" || action === "leave")) {
      const down = this.all().filter(({ isHealthy }) => !isHealthy).length;
      const more = known.filter(({ isHealthy }) => isHealthy).length;
      expect(down + more).toBeLessThanOrEqual(this.maxUnavailable);
    }
    if (action === "remove") expect(wasUp).toBe(false);

    for (const name of names) {
      if (action === "leave" || action === "remove") this.members.delete(name);
      else {
        const role = this.roleOf(name)[0] ?? "worker";
        this.members.set(name, { role, isHealthy: true, votes: isController(role) });
      }
    }
    expect(after).toEqual({ voters: this.voters(), healthy: this.healthy() });
    expect(this.voters()).toBeGreaterThan(0);
    if (action !== "change") expect(this.hasQuorum()).toBe(true);
  }

  private roleOf(name: string): K0sRole[] {
    const member = this.wanted.find((one) => one.name === name) ?? this.members.get(name);
    return member === undefined ? [] : [member.role];
  }
}

function check(each: (plan: Plan, world: World) => void): void {
  fc.assert(
    fc.property(world, (given) => {
      const { wanted, observed } = membersOf(given);
      const wish = { members: wanted, maxUnavailable: given.maxUnavailable };
      each(planOf(wish, given.exists ? observed : undefined), given);
    }),
    { numRuns: SOAK ? 20_000 : 500 },
  );
}

test("no step loses the quorum, takes several controllers, or more than maxUnavailable", () => {
  const seen = new Set<string>();
  check((plan, given) => {
    const { wanted, observed } = membersOf(given);
    const model = new Model(given.exists ? observed : [], wanted, given.maxUnavailable);
    for (const step of plan.steps) {
      seen.add(step.action);
      model.take(step);
    }
    if (plan.blocked !== undefined) seen.add("blocked");
    if (plan.refusals.length > 0) seen.add("refused");
  });
  // Otherwise the worlds would prove nothing.
  expect([...seen].sort()).toEqual([
    "blocked",
    "change",
    "found",
    "join",
    "leave",
    "refused",
    "remove",
  ]);
});

test("a plan that nothing blocks ends with what the site wants, and is then empty", () => {
  let complete = 0;
  check((plan, given) => {
    if (plan.blocked !== undefined || plan.refusals.length > 0) return;
    const { wanted, observed } = membersOf(given);
    const model = new Model(given.exists ? observed : [], wanted, given.maxUnavailable);
    plan.steps.forEach((step) => {
      model.take(step);
    });
    expect([...model.members.keys()].sort()).toEqual(wanted.map(({ name }) => name));
    if (plan.steps.length > 2) complete += 1;

    const touched = new Set(plan.steps.flatMap(({ names }) => names));
    const end = wanted.map(({ name, role, runs }): ObservedMember => {
      const before = observed.find((one) => one.name === name);
      if (given.exists && before !== undefined && !touched.has(name)) return before;
      const etcd = isController(role) && { etcd: "voter" as const };
      return { name, role, runs, isHealthy: true, hasLostData: false, ...etcd };
    });
    const again = planOf({ members: wanted, maxUnavailable: given.maxUnavailable }, end);
    expect(again.steps).toEqual([]);
    expect(again.blocked).toBeUndefined();
  });
  expect(complete).toBeGreaterThan(10);
});

test("a refused change has no steps, and a refusal or a block always has words", () => {
  check((plan) => {
    if (plan.refusals.length > 0) expect(plan.steps).toEqual([]);
    for (const line of describePlan(plan)) {
      expect(line).toMatch(/^(refused: |\d+\. | {3})\S.*/);
      expect(line).not.toMatch(/undefined|NaN|\[object/);
    }
    if (plan.blocked !== undefined) expect(plan.blocked.reasons.length).toBeGreaterThan(0);
  });
});

test("the order of the members in the site and in the cluster changes nothing", () => {
  check((plan, given) => {
    const { wanted, observed } = membersOf(given);
    const wish = { members: [...wanted].reverse(), maxUnavailable: given.maxUnavailable };
    const reversed = planOf(wish, given.exists ? [...observed].reverse() : undefined);
    expect(reversed.steps).toEqual(plan.steps);
    expect(reversed.blocked?.step).toEqual(plan.blocked?.step);
  });
});

test("a majority of the controllers never leaves in one change", () => {
  check((plan, given) => {
    if (!given.exists) return;
    const { wanted, observed } = membersOf(given);
    const isWanted = (name: string): boolean => wanted.some((one) => one.name === name);
    const present = observed.filter(({ etcd }) => etcd !== undefined);
    const leaving = present.filter(({ name }) => !isWanted(name)).length;
    const joining = wanted.filter(
      ({ name, role }) => isController(role) && !present.some((one) => one.name === name),
    ).length;
    const gone = plan.steps.filter(({ action, names }) => {
      const role = observed.find(({ name }) => name === names[0])?.role;
      const isGone = action === "leave" || action === "remove";
      return isGone && isController(role) && !isWanted(names[0] ?? "");
    });
    if (leaving > 1 && leaving >= (present.length + joining) / 2) expect(gone).toEqual([]);
  });
});
