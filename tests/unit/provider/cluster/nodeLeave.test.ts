/** Leaves against stand-ins: the order of what is done, dead members, revoked leaves. */
import type { K0sRole } from "../../../../contract/names";
import { leaveCluster } from "../../../../provider/resources/cluster/k0sNodeLeave";
import type { EtcdMember } from "../../../../provider/cluster/kube/objects";
import { contextOf } from "../context";
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

let cluster: ClusterStandIn;
let kc1: GuestStandIn;
let guest: GuestStandIn;
/** What was done in the guest and in the cluster, in one order. */
let done: string[];

beforeEach(() => {
  done = [];
  kc1 = new GuestStandIn("kc1", EMPTY);
  guest = new GuestStandIn("kc2", EMPTY);
  const healthy = ["kc1", "kc2", "kc3"].map((name) => member(name));
  cluster = new ClusterStandIn(observedOf([], [], []), healthy, kc1);
  guest.after = (step) => done.push(step);
  kc1.after = (step) => done.push(`kc1 ${step}`);
  cluster.after = (call) => done.push(call);
});

function leave(name: string, role: K0sRole, isAlive = true, workSeconds = 2): Promise<void> {
  const call = { ...contextOf("urn"), workSeconds };
  const reachable = isAlive || !guest.isSilent ? guest : undefined;
  const wanted = wantedOf(name, { role, address: "198.18.0.22" });
  return leaveCluster({ call, cluster, guest: reachable, isAlive, wanted, pollMs: 5 });
}

const show = (more: Partial<EtcdMember>, ...nodes: string[]): void => {
  const etcd = [etcdMember("kc1"), etcdMember("kc2", { peerAddress: "198.18.0.22", ...more })];
  cluster.observed = observedOf(
    nodes.map((name) => node(name)),
    etcd,
    ["kc1", "kc2"],
  );
};

/** k0s answers a leave as it does with a running member. */
function leaves(): void {
  cluster.after = (call) => {
    done.push(call);
    if (call === "leave kc2 true") show({ isJoined: false, isLeaving: true }, "kc2");
  };
}

test("a worker is drained, stopped, and then its node is deleted", async () => {
  cluster.observed = observedOf([node("kw1")], [etcdMember("kc1")], ["kc1"]);
  await leave("kw1", "worker");
  expect(done).toEqual(["cordon kw1", "stop: it left the cluster", "delete node kw1"]);
});

test("a controller leaves etcd, stops at once, and then its objects are deleted", async () => {
  show({});
  leaves();
  await leave("kc2", "controller");
  expect(done).toEqual([
    "leave kc2 true",
    "stop: it left the cluster",
    "delete etcd member kc2",
    "delete control node kc2",
  ]);
});

test("a controller with a node is drained before it leaves", async () => {
  show({}, "kc2");
  leaves();
  await leave("kc2", "controller+worker");
  expect(done).toEqual([
    "cordon kc2",
    "leave kc2 true",
    "stop: it left the cluster",
    "delete etcd member kc2",
    "delete control node kc2",
    "delete node kc2",
  ]);
});

test("a leave that a restart has revoked is asked for again", async () => {
  show({});
  let asked = 0;
  cluster.after = (call) => {
    done.push(call);
    if (call !== "leave kc2 true") return;
    asked += 1;
    if (asked > 1) show({ isJoined: false });
  };
  await leave("kc2", "controller");
  expect(done.slice(0, 3)).toEqual([
    "leave kc2 true",
    "leave kc2 true",
    "stop: it left the cluster",
  ]);
});

test("a member that came back before it was stopped leaves as a dead one", async () => {
  show({});
  leaves();
  guest.after = (step) => {
    done.push(step);
    show({ isJoined: true });
  };
  await leave("kc2", "controller");
  expect(done).toEqual([
    "leave kc2 true",
    "stop: it left the cluster",
    "leave kc2 true",
    "delete etcd member kc2",
    "delete control node kc2",
  ]);
});

test("k0s removes a dead member by itself, after its wait", async () => {
  guest.isSilent = true;
  show({});
  cluster.healthy = ["kc1", "kc2", "kc3"].map((name) =>
    member(name, { isHealthy: name !== "kc2" }),
  );
  cluster.after = (call) => {
    done.push(call);
    if (call !== "leave kc2 true") return;
    show({ isLeaving: true, message: "Member is offline; waiting for it to leave" });
    setTimeout(() => show({ isJoined: false }), 30);
  };
  await leave("kc2", "controller", false);
  expect(done).toEqual(["leave kc2 true", "delete etcd member kc2", "delete control node kc2"]);
});

test("a dead member without a lease is removed on another controller, once", async () => {
  guest.isSilent = true;
  show({});
  cluster.after = (call) => {
    done.push(call);
    if (call !== "leave kc2 true") return;
    show({ isLeaving: true, message: "No k0s controller lease found" });
    setTimeout(() => show({ isJoined: false }), 50);
  };
  await leave("kc2", "controller", false);
  expect(done.slice(0, 2)).toEqual(["leave kc2 true", "kc1 etcd leave 198.18.0.22"]);
  expect(done.filter((one) => one.startsWith("kc1"))).toHaveLength(1);
});

test("a dead worker is not drained: its pods cannot end", async () => {
  guest.isSilent = true;
  cluster.observed = observedOf([node("kw1", { isReady: false })], [etcdMember("kc1")], ["kc1"]);
  await leave("kw1", "worker", false);
  expect(done).toEqual(["delete node kw1"]);
});

test("the error of a leave has k0s's last words", async () => {
  show({});
  cluster.after = () => show({ isLeaving: true, message: "Unexpected lease holder" });
  await expect(leave("kc2", "controller", true, 0.05)).rejects.toThrow(
    "kc2: timed out after 0 s waiting until it has left etcd: Unexpected lease holder",
  );
  expect(guest.done).toEqual([]);
});

test.each<[string, string[], string[], RegExp]>([
  ["the last controller", ["kc2"], [], /kc2 is the last controller of production/],
  ["a controller beside an unhealthy one", ["kc1", "kc2", "kc3"], ["kc3"], /not healthy: kc3/],
  ["a controller without quorum", ["kc1", "kc2", "kc3"], ["kc1", "kc3"], /etcd has no quorum/],
])("%s does not leave, and nothing changes", async (_, voters, sick, words) => {
  show({});
  cluster.healthy = voters.map((name) => member(name, { isHealthy: !sick.includes(name) }));
  await expect(leave("kc2", "controller")).rejects.toThrow(words);
  expect(done).toEqual([]);
});

test("a leave that was interrupted after it left etcd is completed", async () => {
  show({ isJoined: false, isLeaving: true });
  await leave("kc2", "controller");
  expect(done).toEqual([
    "stop: it left the cluster",
    "delete etcd member kc2",
    "delete control node kc2",
  ]);
});
