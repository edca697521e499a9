/** The steps of a cluster: their order, their quorum, and what blocks them. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { K0sRole } from "../../../../contract/names";
import type { ObservedMember, Runs, WantedMember } from "../../../../provider/cluster/members";
import { planOf } from "../../../../provider/cluster/plan";
import type { Wish } from "../../../../provider/cluster/planGate";
import { describePlan } from "../../../../provider/cluster/planWords";

const OLD: Runs = { closure: "old", k0s: "k-old", version: "1.36.2+k0s.0" };
const NEW: Runs = { closure: "new", k0s: "k-new", version: "1.36.3+k0s.2" };
const at = (version: string): Runs => ({ ...OLD, k0s: version, version });

/** kc is a controller, kb both, anything else a worker. */
function roleOf(name: string): K0sRole {
  if (name.startsWith("kc")) return "controller";
  return name.startsWith("kb") ? "controller+worker" : "worker";
}

const wanted = (names: string, runs = OLD): WantedMember[] =>
  names.split(" ").map((name) => ({ name, role: roleOf(name), host: "hv1", runs }));
const wish = (names: string, runs = OLD, more: Partial<Wish> = {}): Wish => ({
  members: wanted(names, runs),
  maxUnavailable: 1,
  ...more,
});

/** `kc2-` is down, `kc2!` is down and its data is lost, `kc2~` is a learner. */
const observed = (names: string, runs = OLD): ObservedMember[] =>
  names.split(" ").map((text) => {
    const name = text.replace(/[-!~]$/, "");
    const role = roleOf(name);
    return {
      name,
      role,
      isHealthy: !/[-!]$/.test(text),
      hasLostData: text.endsWith("!"),
      runs: text.endsWith("!") ? undefined : runs,
      ...(role !== "worker" && { etcd: text.endsWith("~") ? "learner" : "voter" }),
    };
  });

const lines = (site: Wish, members?: ObservedMember[]): string[] =>
  describePlan(planOf(site, members));
const moves = (site: Wish, members?: ObservedMember[]): string[] =>
  planOf(site, members).steps.map(({ action, names }) => `${action} ${names.join(" ")}`);

test("nothing to do is no step", () => {
  expect(lines(wish("kc1 kc2 kc3 kw1"), observed("kc1 kc2 kc3 kw1"))).toEqual([]);
});

test("from nothing: one founds, controllers join one at a time, workers side by side", () => {
  expect(lines(wish("kw2 kc3 kc1 kw1 kc2"))).toEqual([
    "1. kc1 founds the cluster: healthy controllers 0 -> 1 of 1, quorum 0 -> 1",
    "2. kc2 joins: healthy controllers 1 -> 2 of 2, quorum 1 -> 2",
    "3. kc3 joins: healthy controllers 2 -> 3 of 3, quorum 2 -> 2",
    "4. kw1, kw2 join: healthy controllers 3 -> 3 of 3, quorum 2 -> 2",
  ]);
});

describe("founding", () => {
  test("a retry uses the controller that was recorded", () => {
    expect(moves(wish("kc1 kc2", OLD, { founder: "kc2" }))).toEqual(["found kc2", "join kc1"]);
  });

  test("is refused if that controller left the site, also as a worker", () => {
    expect(lines(wish("kc1 kw9", OLD, { founder: "kc9" }))).toEqual([
      "refused: kc9 was chosen to found the cluster, and is no controller of the site; add " +
        "kc9 as a controller again until the cluster exists",
    ]);
    expect(planOf(wish("kc1 kw9", OLD, { founder: "kw9" }), undefined).refusals).toHaveLength(1);
  });

  test("does not happen where a cluster has no voter left", () => {
    expect(lines(wish("kc1 kw1"), observed("kw1"))).toEqual([
      "1. blocked: kc1 joins: healthy controllers 0 -> 1 of 1, quorum 0 -> 1",
      "   etcd has no quorum: 0 of 0 controllers healthy, 1 needed; start the controllers " +
        "that are down, or restore a backup",
    ]);
    expect(moves(wish("kc1"), [])).toEqual([]);
  });
});

describe("members that come", () => {
  test("a learner goes on to join", () => {
    expect(moves(wish("kc1 kc2"), observed("kc1 kc2~"))).toEqual(["join kc2"]);
  });

  test("a controller whose disk is lost is removed, then joins again", () => {
    expect(lines(wish("kc1 kc2 kc3"), observed("kc1! kc2 kc3"))).toEqual([
      "1. kc1 is dead and is removed: healthy controllers 2 -> 2 of 2, quorum 2 -> 2",
      "2. kc1 joins: healthy controllers 2 -> 3 of 3, quorum 2 -> 2",
    ]);
  });

  test("the only controller, with its disk lost, founds no second cluster", () => {
    const plan = planOf(wish("kc1 kw1"), observed("kc1! kw1"));
    expect(plan.steps).toEqual([]);
    expect(plan.blocked).toMatchObject({
      step: { action: "remove", names: ["kc1"] },
      reasons: [{ code: "no-quorum", voters: 1, healthy: 0, needed: 1, down: ["kc1"] }],
    });
  });

  test("a worker whose disk is lost joins again", () => {
    expect(moves(wish("kc1 kw1 kw2"), observed("kc1 kw1! kw2"))).toEqual(["join kw1"]);
  });
});

describe("members that go", () => {
  test("workers first, within maxUnavailable, then a controller", () => {
    const all = observed("kc1 kc2 kc3 kw1 kw2 kw3");
    expect(lines(wish("kc1 kc2", OLD, { maxUnavailable: 2 }), all)).toEqual([
      "1. kw1, kw2 are drained and leave: healthy controllers 3 -> 3 of 3, quorum 2 -> 2",
      "2. kw3 is drained and leaves: healthy controllers 3 -> 3 of 3, quorum 2 -> 2",
      "3. kc3 is drained and leaves: healthy controllers 3 -> 2 of 2, quorum 2 -> 2",
    ]);
  });

  test("two of three controllers in one change are refused, with the quorum", () => {
    const refused =
      "refused: kc2 and kc3 would leave in one change: 2 of 3 controllers, whose quorum is " +
      "2; remove at most 1 in one change, and run up before the next";
    expect(lines(wish("kc1"), observed("kc1 kc2 kc3"))).toEqual([refused]);
    expect(lines(wish("kc1"), observed("kc1 kc2 kc3-"))).toEqual([refused]);
    expect(lines(wish("kc1 kw9"), observed("kc1 kc2 kc3"))).toEqual([refused]);
  });

  test("one of two, and two of five, may leave", () => {
    expect(moves(wish("kc1"), observed("kc1 kc2"))).toEqual(["leave kc2"]);
    expect(moves(wish("kc1 kc2 kc3"), observed("kc1 kc2 kc3 kc4 kc5"))).toEqual([
      "leave kc4",
      "leave kc5",
    ]);
  });

  test("who replaces them joins before they leave", () => {
    expect(moves(wish("kc1 kc4 kc5"), observed("kc1 kc2 kc3"))).toEqual([
      "join kc4",
      "join kc5",
      "leave kc2",
      "leave kc3",
    ]);
    expect(moves(wish("kc2"), observed("kc1"))).toEqual(["join kc2", "leave kc1"]);
  });

  test("the last controller does not leave", () => {
    expect(lines(wish("kw1"), observed("kc1 kw1"))).toEqual([
      "refused: no controller would remain; keep one controller in the site; to end the " +
        "cluster, remove `cluster` and all roles",
    ]);
  });

  test("a dead one leaves without a drain, and before anybody joins", () => {
    expect(moves(wish("kc1 kc2 kc4"), observed("kc1 kc2 kc3- kw1- kw2-"))).toEqual([
      "remove kc3",
      "remove kw1 kw2",
      "join kc4",
    ]);
  });

  test("none leaves while another controller is down", () => {
    expect(lines(wish("kc1 kc2 kc3"), observed("kc1 kc2- kc3 kc4"))).toEqual([
      "1. blocked: kc4 is drained and leaves: healthy controllers 3 -> 2 of 3, quorum 3 -> 2",
      "   other controllers are not healthy: kc2; repair them first, or remove them from the site",
    ]);
  });

  test("none is removed without quorum", () => {
    expect(lines(wish("kc1 kc2"), observed("kc1 kc2- kc3-")).slice(1)).toEqual([
      "   etcd has no quorum: 1 of 3 controllers healthy, 2 needed (down: kc2 and kc3); " +
        "start the controllers that are down, or restore a backup",
    ]);
  });
});

describe("members that change", () => {
  test("controllers one at a time, then workers within maxUnavailable", () => {
    const site = wish("kc1 kc2 kc3 kw1 kw2 kw3", NEW, { maxUnavailable: 2 });
    expect(lines(site, observed("kc1 kc2 kc3 kw1 kw2 kw3"))).toEqual([
      "1. kc1 changes: healthy controllers 3 -> 3 of 3, quorum 2 -> 2",
      "2. kc2 changes: healthy controllers 3 -> 3 of 3, quorum 2 -> 2",
      "3. kc3 changes: healthy controllers 3 -> 3 of 3, quorum 2 -> 2",
      "4. kw1, kw2 change: healthy controllers 3 -> 3 of 3, quorum 2 -> 2",
      "5. kw3 changes: healthy controllers 3 -> 3 of 3, quorum 2 -> 2",
    ]);
  });

  test("one or two controllers interrupt the API, and the plan says so", () => {
    expect(lines(wish("kc1", NEW), observed("kc1"))).toEqual([
      "1. kc1 changes: healthy controllers 1 -> 1 of 1, quorum 1 -> 1; the API can be " +
        "unavailable meanwhile: 1 of 1 controllers healthy, and 1 needed",
    ]);
    const two = planOf(wish("kc1 kc2", NEW), observed("kc1 kc2"));
    expect(two.steps.map(({ interruptsApi }) => interruptsApi)).toEqual([true, true]);
    const three = planOf(wish("kc1 kc2 kc3", NEW), observed("kc1 kc2 kc3"));
    expect(three.steps.map(({ interruptsApi }) => interruptsApi)).toEqual([false, false, false]);
  });

  test("those that are down change first, since they may need that to come up", () => {
    const members = observed("kc1 kc2- kc3 kw1 kw2- kw3-");
    expect(moves(wish("kc1 kc2 kc3 kw1 kw2 kw3", NEW), members)).toEqual([
      "change kc2",
      "change kw2 kw3",
      "change kc1",
      "change kc3",
      "change kw1",
    ]);
    // Also without quorum: there is none to lose.
    expect(moves(wish("kc1", NEW), observed("kc1-"))).toEqual(["change kc1"]);
  });

  test("a worker that is down gets no newer minor version than the controllers", () => {
    const plan = planOf(wish("kc1 kw1", at("1.37.0")), observed("kc1 kw1-"));
    expect(plan.steps).toEqual([]);
    expect(plan.blocked).toMatchObject({
      step: { names: ["kc1"] },
      reasons: [{ code: "too-many-down", down: ["kw1"] }],
    });
  });

  test("no controller changes while another one is down that has nothing to change", () => {
    const members = observed("kc1 kc2- kc3").map((member) =>
      member.name === "kc2" ? { ...member, runs: NEW } : member,
    );
    expect(planOf(wish("kc1 kc2 kc3", NEW), members).blocked?.reasons).toEqual([
      { code: "unhealthy", controllers: ["kc2"] },
    ]);
  });

  test("no worker changes while so many are down already", () => {
    const members = [...observed("kc1 kw1-", NEW), ...observed("kw2 kw3")];
    expect(lines(wish("kc1 kw1 kw2 kw3", NEW), members)).toEqual([
      "1. blocked: kw2 changes: healthy controllers 1 -> 1 of 1, quorum 1 -> 1",
      "   kw1 is down already; repair them first, or raise cluster.maxUnavailable (1)",
    ]);
    expect(moves(wish("kc1 kw1 kw2 kw3", NEW, { maxUnavailable: 3 }), members)).toEqual([
      "change kw2 kw3",
    ]);
  });

  test("one that is down takes a place of maxUnavailable", () => {
    const members = [...observed("kc1 kw1-", NEW), ...observed("kw2 kw3")];
    expect(moves(wish("kc1 kw1 kw2 kw3", NEW, { maxUnavailable: 2 }), members)).toEqual([
      "change kw2",
      "change kw3",
    ]);
  });

  test("without quorum no worker is touched, however many may be down", () => {
    const members = [...observed("kc1 kc2- kc3-", NEW), ...observed("kw1")];
    const changed = wish("kc1 kc2 kc3 kw1", NEW, { maxUnavailable: 9 });
    const gone = wish("kc1 kc2 kc3", NEW, { maxUnavailable: 9 });
    for (const site of [changed, gone]) {
      const plan = planOf(site, members);
      expect(plan.steps).toEqual([]);
      expect(plan.blocked?.reasons).toEqual([
        { code: "no-quorum", voters: 3, healthy: 1, needed: 2, down: ["kc2", "kc3"] },
      ]);
    }
  });

  test("what nobody can see is not planned", () => {
    const members = observed("kc1 kc2 kc3-").map((member) => ({
      ...member,
      runs: member.isHealthy ? OLD : undefined,
    }));
    expect(moves(wish("kc1 kc2 kc3"), members)).toEqual([]);
  });

  test.each([
    ["the closure alone", { ...OLD, closure: "new" }],
    ["the k0s configuration alone", { ...OLD, k0s: "new" }],
    ["the version alone", { ...OLD, version: "1.36.3+k0s.2" }],
  ])("%s is a change", (_, runs) => {
    expect(moves(wish("kc1", runs), observed("kc1"))).toEqual(["change kc1"]);
  });
});

describe("versions", () => {
  test("controllers reach a new minor version before workers", () => {
    const next = at("1.37.0+k0s.0");
    expect(moves(wish("kc1 kc2 kc3 kw1", next), observed("kc1 kc2 kc3 kw1"))).toEqual([
      "change kc1",
      "change kc2",
      "change kc3",
      "change kw1",
    ]);
  });

  test("a minor version is not skipped, and none is left again", () => {
    expect(lines(wish("kc1", at("1.38.0")), observed("kc1"))).toEqual([
      "refused: kc1 would skip a minor version, from k0s 1.36.2+k0s.0 to 1.38.0; raise " +
        "cluster.k0sVersion by one minor version, and run up before the next",
    ]);
    expect(lines(wish("kc1", at("1.36.0")), observed("kc1", at("1.37.0")))).toEqual([
      "refused: kc1 would go back from k0s 1.37.0 to 1.36.0; state a version that is not " +
        "older; k0s cannot be downgraded",
    ]);
    expect(moves(wish("kc1", at("1.36.0")), observed("kc1"))).toEqual(["change kc1"]);
  });

  test("no worker falls more than one minor version behind, also one that leaves", () => {
    const members = [...observed("kc1", at("1.37.1")), ...observed("kw1", at("1.36.3"))];
    expect(lines(wish("kc1", at("1.38.0")), members)).toEqual([
      "1. blocked: kc1 changes: healthy controllers 1 -> 1 of 1, quorum 1 -> 1; the API can be " +
        "unavailable meanwhile: 1 of 1 controllers healthy, and 1 needed",
      "   workers would be more than one minor version older than k0s 1.38.0: kw1 " +
        "(1.36.3); update or remove these workers first",
    ]);
  });
});

describe("roles", () => {
  const as = (role: K0sRole, site: Wish): Wish => ({
    ...site,
    members: site.members.map((member) => (member.name === "kx" ? { ...member, role } : member)),
  });
  const was = (role: K0sRole): ObservedMember[] => [
    ...observed("kc1 kc2 kc3"),
    ...observed(role === "worker" ? "kx" : "kc9").map((member) => ({
      ...member,
      name: "kx",
      role,
    })),
  ];
  const roles: K0sRole[] = ["controller", "worker", "controller+worker"];

  const pairs = roles.flatMap((from) =>
    roles.filter((to) => to !== from).map((to): [K0sRole, K0sRole] => [from, to]),
  );
  test.each(pairs)("%s -> %s", (from, to) => {
    const plan = planOf(as(to, wish("kc1 kc2 kc3 kx")), was(from));
    const isPossible = from === "controller" && to === "controller+worker";
    expect(plan.steps.map(({ action, names }) => [action, ...names])).toEqual(
      isPossible ? [["change", "kx"]] : [],
    );
    const refused = plan.refusals.filter(({ code }) => code === "role-changes");
    expect(refused).toEqual(isPossible ? [] : [{ code: "role-changes", name: "kx", from, to }]);
  });
});

test("the example of docs/cluster.md is such a plan", () => {
  const page = join(__dirname, "..", "..", "..", "..", "docs", "cluster.md");
  const plan = lines(wish("kc1 kc2 kc4 kw1 kw2"), observed("kc1 kc2- kc3 kw1"));
  expect(plan).toHaveLength(4);
  expect(readFileSync(page, "utf8")).toContain(plan.join("\n"));
});
