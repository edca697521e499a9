/** Joins against stand-ins: the order of what is done, what is refused, and interrupted joins. */
import { X509Certificate } from "node:crypto";
import { joinCluster } from "../../../../provider/resources/cluster/k0sNodeJoin";
import { contextOf } from "../context";
import { identity } from "./kube/apiServer";
import {
  ClusterStandIn,
  EMPTY,
  GuestStandIn,
  etcdMember,
  member,
  node,
  observedOf,
  wantedOf,
} from "./standIns";

const CA = new X509Certificate(identity.ca).fingerprint256;
const RUNS = { ...EMPTY, unit: "active", hasData: true, caFingerprint: CA };
const CONTROLLER = { ...RUNS, role: "controller" as const, isApiReady: true };

let cluster: ClusterStandIn;
let kc1: GuestStandIn;
let guest: GuestStandIn;

beforeEach(() => {
  kc1 = new GuestStandIn("kc1", CONTROLLER);
  const observed = observedOf([], [etcdMember("kc1")], ["kc1"]);
  cluster = new ClusterStandIn(observed, [member("kc1")], kc1);
  guest = new GuestStandIn("kw1", EMPTY);
});

function join(wanted = wantedOf("kw1"), workSeconds = 5): Promise<unknown> {
  const call = { ...contextOf("urn"), workSeconds };
  return joinCluster({ call, cluster, guest, wanted, pollMs: 5 });
}

/** What the guest and the cluster show when k0s has started. */
function comesUp(name: string, more: object = {}): void {
  guest.after = (step) => {
    if (!step.startsWith("join")) return;
    guest.facts = { ...RUNS, token: "real", ...more };
    const { etcd, answering } = cluster.observed;
    cluster.observed = {
      ...observedOf([node(name)], [...etcd.values()], [...answering]),
    };
  };
}

test("a worker joins by a token, which is invalidated and replaced by a dummy", async () => {
  comesUp("kw1");
  await join();
  expect(guest.done).toEqual(["join TOKEN", "retire token"]);
  expect(kc1.done).toEqual(["mint worker", "invalidate worker abc123"]);
  expect(cluster.done).toEqual([]);
});

test("a token is invalidated also if the join fails", async () => {
  await expect(join(wantedOf("kw1"), 0.05)).rejects.toThrow(
    /^kw1: timed out after 0 s waiting until its node is Ready/,
  );
  expect(kc1.done).toEqual(["mint worker", "invalidate worker abc123"]);
});

const controller = wantedOf("kc2", { role: "controller" });

/** Its object appears with an id, and its API answers. */
function votes(memberId: string): void {
  guest.after = (step) => {
    if (!step.startsWith("join")) return;
    guest.facts = { ...CONTROLLER, token: "real" };
    cluster.observed = observedOf(
      [],
      [etcdMember("kc1"), etcdMember("kc2", { memberId })],
      ["kc1", "kc2"],
    );
  };
}

test("a controller that left sets its state aside, joins, and has another id", async () => {
  guest.facts = { ...CONTROLLER, unit: "inactive", isApiReady: false, stopped: "it left" };
  kc1.facts = { ...CONTROLLER, etcdMembers: { kc1: "https://198.18.0.21:2380" } };
  cluster.observed.etcd.get("kc1");
  const left = etcdMember("kc2", { memberId: "old", isJoined: false });
  cluster.observed = observedOf([], [etcdMember("kc1"), left], ["kc1"]);
  votes("new");
  const voting = guest.after;
  guest.after = (step) => {
    if (step === "set aside") guest.facts = { ...EMPTY, stopped: "set aside" };
    voting(step);
  };
  await join(controller);
  expect(guest.done).toEqual(["set aside", "join TOKEN", "retire token"]);
  expect(kc1.done).toEqual(["mint controller", "invalidate controller abc123"]);
});

test("a controller with its old id has not joined yet", async () => {
  const left = etcdMember("kc2", { memberId: "old", isJoined: false });
  cluster.observed = observedOf([], [etcdMember("kc1"), left], ["kc1"]);
  votes("old");
  await expect(join(controller, 0.05)).rejects.toThrow("waiting until it votes in etcd");
});

test("a controller whose disk was lost leaves etcd on another controller first", async () => {
  const both = [etcdMember("kc1"), etcdMember("kc2", { memberId: "old" })];
  cluster.observed = observedOf([], both, ["kc1"]);
  cluster.healthy = ["kc1", "kc3", "kc2"].map((name) =>
    member(name, { isHealthy: name !== "kc2" }),
  );
  kc1.after = (step) => {
    if (!step.startsWith("etcd leave")) return;
    const left = etcdMember("kc2", { memberId: "old", isJoined: false });
    cluster.observed = observedOf([], [etcdMember("kc1"), left], ["kc1"]);
  };
  votes("new");
  await join(controller);
  expect(kc1.done).toEqual([
    "etcd leave 198.18.0.31",
    "mint controller",
    "invalidate controller abc123",
  ]);
  expect(guest.done).toEqual(["join TOKEN", "retire token"]);
});

test("a learner waits for its vote, and needs no token", async () => {
  guest.facts = { ...CONTROLLER, isApiReady: false, token: "real" };
  kc1.facts = { ...CONTROLLER, etcdMembers: { kc2: "https://198.18.0.31:2380" } };
  setTimeout(() => {
    const both = [etcdMember("kc1"), etcdMember("kc2")];
    cluster.observed = observedOf([], both, ["kc1", "kc2"]);
  }, 30);
  await join(controller);
  expect(guest.done).toEqual(["retire token"]);
  expect(kc1.done).toEqual([]);
});

test("a worker whose disk was lost gets a new node", async () => {
  cluster.observed = observedOf([node("kw1")], [etcdMember("kc1")], ["kc1"]);
  cluster.after = () => {
    cluster.observed = observedOf([], [etcdMember("kc1")], ["kc1"]);
  };
  comesUp("kw1");
  await join();
  expect(cluster.done).toEqual(["delete node kw1"]);
  expect(guest.done).toEqual(["join TOKEN", "retire token"]);
});

test("a worker whose node was deleted registers it by a restart", async () => {
  guest.facts = { ...RUNS, token: "dummy" };
  comesUp("kw1", { token: "dummy" });
  await join();
  expect(guest.done).toEqual(["stop: its node is registered again", "join"]);
});

test("a new token is of no use to a unit that runs, so it is stopped first", async () => {
  guest.facts = { ...EMPTY, unit: "activating", token: "real" };
  comesUp("kw1");
  await join();
  expect(guest.done.slice(0, 2)).toEqual(["stop: it joins by another token", "join TOKEN"]);
});

test("nothing changes with clocks that differ, data of another cluster, or no quorum", async () => {
  guest.offset = 60;
  await expect(join()).rejects.toThrow("its clock is 60 s from that of kc1");
  guest.facts = { ...RUNS, unit: "inactive", stopped: "it left" };
  await expect(join()).rejects.toThrow("its clock is 60 s");
  guest.offset = 0;
  guest.facts = { ...RUNS, caFingerprint: "AA:BB" };
  await expect(join()).rejects.toMatchObject({ reason: "foreign" });
  guest.facts = EMPTY;
  cluster.healthy = [member("kc1"), member("kc2", { isHealthy: false })];
  await expect(join()).rejects.toThrow(/^kw1: etcd has no quorum: 1 of 2 controllers healthy/);
  expect([guest.done, kc1.done, cluster.done]).toEqual([[], [], []]);
});
