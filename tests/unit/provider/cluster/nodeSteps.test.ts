/** The next step of a member, from what its guest and the cluster say. */
import type { K0sRole } from "../../../../contract/names";
import type { K0sFacts } from "../../../../provider/cluster/k0sGuest";
import { DESTROYED } from "../../../../provider/resources/cluster/k0sClusterFounding";
import {
  nextStep,
  refuseClocks,
  refuseForeignData,
} from "../../../../provider/resources/cluster/k0sNodeSteps";
import type { Found, Step } from "../../../../provider/resources/cluster/k0sNodeSteps";
import { EMPTY } from "./standIns";

const CA = "AA:BB";
const RUNS: Partial<K0sFacts> = { hasData: true, unit: "active", caFingerprint: CA };
const KEPT: Partial<K0sFacts> = { hasData: true, unit: "inactive", caFingerprint: CA };

type Listed = Partial<Pick<Found, "isVoter" | "isInEtcd" | "hasNode">>;

function found(role: K0sRole, k0s: Partial<K0sFacts>, listed: Listed = {}): Found {
  return {
    role,
    isVoter: false,
    isInEtcd: listed.isVoter === true,
    hasNode: false,
    ca: CA,
    ...listed,
    k0s: { ...EMPTY, ...k0s },
  };
}

const VOTER = { isVoter: true };
const LEARNER = { isInEtcd: true };
const NODE = { hasNode: true };
const LEFT = { ...KEPT, stopped: "it left the cluster" };
const ENDED = { ...KEPT, stopped: DESTROYED };

test.each<[string, K0sRole, Partial<K0sFacts>, Listed, Step]>([
  ["a new controller", "controller", {}, {}, "join"],
  ["a new controller with a worker", "controller+worker", {}, {}, "join"],
  ["a controller whose disk was lost", "controller", {}, VOTER, "remove"],
  ["a learner whose join was interrupted before it had data", "controller", {}, LEARNER, "remove"],
  ["a controller that runs", "controller", RUNS, VOTER, "wait"],
  ["a learner", "controller", RUNS, LEARNER, "wait"],
  ["a controller that does not run", "controller", KEPT, VOTER, "resume"],
  ["a controller of a destroyed cluster", "controller", ENDED, VOTER, "resume"],
  ["a controller that left", "controller", LEFT, {}, "set-aside"],
  ["a controller that was removed while it was away", "controller", RUNS, {}, "set-aside"],
  ["a new worker", "worker", {}, {}, "join"],
  ["a worker whose disk was lost", "worker", {}, NODE, "remove"],
  ["a worker that runs", "worker", RUNS, NODE, "wait"],
  ["a worker that does not run", "worker", KEPT, NODE, "resume"],
  ["a worker of a destroyed cluster", "worker", ENDED, {}, "resume"],
  ["a worker that left", "worker", LEFT, {}, "set-aside"],
  ["a worker whose join goes on", "worker", { ...RUNS, token: "real" }, {}, "wait"],
  ["a worker whose node was deleted", "worker", { ...RUNS, token: "dummy" }, {}, "restart"],
  ["files of another cluster without its data", "worker", { caFingerprint: "CC" }, {}, "set-aside"],
])("%s", (_, role, k0s, listed, step) => {
  expect(nextStep(found(role, k0s, listed))).toBe(step);
});

test("data of another cluster is refused", () => {
  const foreign = found("worker", { ...KEPT, caFingerprint: "CC:DD" });
  expect(() => refuseForeignData("kw1", "production", foreign)).toThrow(
    "kw1 has data of a cluster with the CA CC:DD, not AA:BB of production; nothing was changed",
  );
  refuseForeignData("kw1", "production", found("worker", KEPT));
  refuseForeignData("kw1", "production", found("worker", { caFingerprint: "CC:DD" }));
});

test("clocks that differ by more than half a minute are refused, in both directions", () => {
  const clock = (name: string, clockOffset: number) => ({ name, clockOffset });
  refuseClocks(clock("kw1", 100), clock("kc1", 130));
  for (const offset of [-60, 60]) {
    expect(() => refuseClocks(clock("kw1", offset), clock("kc1", 0))).toThrow(
      "kw1: its clock is 60 s from that of kc1; nothing was changed",
    );
  }
});
