/** What a preview reports of the cluster: to people as text, and to programs as a notice. */
import type { Notice } from "../../../../contract/notices";
import { reportOf } from "../../../../provider/resources/cluster/clusterReport";
import type { Seen, View } from "../../../../provider/resources/cluster/clusterView";
import { k0sCluster } from "../../../../provider/resources/cluster/k0sCluster";
import type { Inputs, Member } from "../../../../provider/resources/cluster/k0sClusterState";
import { contextOf } from "../context";
import { EMPTY, RUNNING, view, wanted } from "./clusterViews";

const NEXT = `/nix/store/${"1".repeat(32)}-system`;

/** The site with changes of some members. */
function changed(site: Inputs, names: string[], change: Partial<Member>): Inputs {
  const members = Object.entries(site.members).map(([name, member]): [string, Member] => [
    name,
    names.includes(name) ? { ...member, ...change } : member,
  ]);
  return { ...site, members: Object.fromEntries(members) };
}

/** The workers of the site by the API, all Ready. */
function answering(controllers: View, { members }: Inputs): View {
  const workers = Object.entries(members).map(([name, { role }]) => ({
    name,
    role,
    isHealthy: true,
    hasLostData: false,
    runs: undefined,
  }));
  return { ...controllers, workers };
}

const three = view([RUNNING, RUNNING, RUNNING]);

test("of a cluster that does not exist yet", () => {
  const report = reportOf(wanted(2, 1), view(["no VM", "no VM"]), undefined);
  expect(report?.plan).toMatchObject({ name: "production", interruption: "", unread: "" });
  expect(report?.plan.steps.map(({ action, names }) => [action, ...names].join(" "))).toEqual([
    "found kc1",
    "join kc2",
    "join kw1",
  ]);
  expect(report?.text.split("\n")).toEqual([
    "cluster production:",
    "1. kc1 founds the cluster: healthy controllers 0 -> 1 of 1, quorum 0 -> 1",
    "2. kc2 joins: healthy controllers 1 -> 2 of 2, quorum 1 -> 2",
    "3. kw1 joins: healthy controllers 2 -> 2 of 2, quorum 2 -> 2",
  ]);
});

test("of a cluster of which nothing changes: none", () => {
  const site = wanted(3, 1);
  expect(reportOf(site, answering(three, site), site)).toBeUndefined();
});

test("of a cluster that is away: the recorded members, and why, once", () => {
  const before = wanted(2, 1);
  const away = view(["stopped", { ...EMPTY, hasData: true, unit: "failed" }]);
  const report = reportOf(wanted(2, 2), away, before);
  expect(report?.plan.unread).toBe(
    "The API does not answer (kc1: the VM does not run; kc2: k0s is failed on kc2, and its API " +
      "does not answer): the plan assumes the recorded workers.",
  );
  expect(report?.text.split("The API does not answer")).toHaveLength(2);
  expect(report?.plan.steps).toMatchObject([
    { action: "join", names: ["kw2"], blockers: [expect.stringMatching(/^etcd has no quorum/)] },
  ]);
});

describe("members whose systems change", () => {
  const site = wanted(3, 2);

  test("are planned by their closure, and an API that stays is not said to go", () => {
    const next = changed(site, ["kc1", "kw2"], { closure: NEXT });
    const report = reportOf(next, answering(three, site), site);
    expect(report?.plan.steps.map(({ action, names }) => [action, ...names].join(" "))).toEqual([
      "change kc1",
      "change kw2",
    ]);
    expect(report?.plan.interruption).toBe("");
    expect(report?.plan.remark).toMatch(/^Changes are not made in this order yet/);
  });

  test("and which run the new system already are not", () => {
    const next = changed(site, ["kc1", "kc2"], { closure: NEXT, k0sUnit: "v" });
    const [first, ...others] = three.controllers;
    if (first === undefined) throw new Error("no controller");
    const seen = { ...three, controllers: [{ ...first, system: NEXT }, ...others] };
    const report = reportOf(next, answering(seen, site), site);
    expect(report?.plan.steps).toMatchObject([{ action: "change", names: ["kc2"] }]);
  });

  test("interrupt the API if k0s restarts on several controllers, or without a quorum", () => {
    const all = changed(site, ["kc1", "kc2", "kc3", "kw1"], { k0sUnit: "v" });
    expect(reportOf(all, answering(three, site), site)?.plan.interruption).toBe(
      "k0s restarts side by side on kc1, kc2, kc3",
    );
    const one = changed(site, ["kc2"], { k0sUnit: "v" });
    expect(reportOf(one, answering(three, site), site)?.plan.interruption).toBe("");
    const alone = wanted(1);
    const restarted = changed(alone, ["kc1"], { k0sUnit: "v" });
    expect(reportOf(restarted, answering(view([RUNNING]), alone), alone)?.plan.interruption).toBe(
      "k0s restarts on kc1, without a quorum meanwhile",
    );
  });
});

test("a preview tells programs and people; hosts in maintenance are not contacted", async () => {
  const before = changed(wanted(1, 1), ["kc1", "kw1"], { host: "h" });
  const next = changed(wanted(1, 2), ["kc1", "kw1", "kw2"], { host: "h" });
  const notices: Notice[] = [];
  const context = contextOf("urn", { notice: (one) => notices.push(one) }, true);
  const change = { isNew: false, inputs: next, observed: undefined, before };
  const text = await k0sCluster.explain?.(change, context);
  expect(text).toContain("1. blocked: kw2 joins");
  const report = reportOf(next, { controllers: [awayKc1(next)], founder: undefined }, before);
  expect(notices).toEqual([{ kind: "cluster", urn: "urn", ...report?.plan }]);
  expect(report?.text).toBe(text);
});

function awayKc1({ members: { kc1 } }: Inputs): Seen {
  if (kc1 === undefined) throw new Error("no kc1");
  return { ...kc1, name: "kc1", k0s: undefined, absence: "not contacted", error: undefined };
}
