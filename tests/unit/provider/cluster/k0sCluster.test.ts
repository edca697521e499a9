/** What K0sCluster makes of its controllers: the state, the plan and the refusals. */
import { makeKubeconfig, withServer } from "../../../../provider/cluster/kubeconfig";
import { makeRecord } from "../../../../provider/ownership";
import { planOfCluster } from "../../../../provider/resources/cluster/clusterPlan";
import type { View } from "../../../../provider/resources/cluster/clusterView";
import {
  LOST,
  areWhole,
  shows,
  stateOf,
} from "../../../../provider/resources/cluster/clusterObserved";
import { k0sCluster } from "../../../../provider/resources/cluster/k0sCluster";
import { DESTROYED } from "../../../../provider/resources/cluster/k0sClusterFounding";
import {
  refuseCluster,
  refuseUnseen,
} from "../../../../provider/resources/cluster/k0sClusterRefusals";
import type { Inputs, State } from "../../../../provider/resources/cluster/k0sClusterState";
import { describePlan } from "../../../../provider/cluster/planWords";
import { UNKNOWN } from "../../../../provider/wire";
import { CA, CA_FINGERPRINT } from "../../../scripts/fakeK0s";
import { EMPTY, RUNNING, address, view, wanted } from "./clusterViews";
import { etcdMember, observedOf } from "./standIns";

const URN = "urn:pulumi:lab::pulumi-microvm::microvm:index:K0sCluster::cluster";
const FOREIGN = "urn:pulumi:other::pulumi-microvm::microvm:index:K0sCluster::cluster";
const owner = { urn: URN };
const refuse = (inputs: Inputs, seen: View, recorded?: State, before?: Inputs) =>
  refuseCluster(owner, inputs, seen, recorded, before);

function recorded(inputs: Inputs): State {
  const identity = { ca: CA, cert: CA, key: "KEY", expires: new Date("2126-01-01") };
  return {
    caFingerprint: CA_FINGERPRINT,
    founder: "kc1",
    kubeconfig: makeKubeconfig("production", `https://${inputs.endpoint}:6443`, identity),
    kubeconfigStatus: "valid",
    unavailable: {},
    ownership: "owned",
  };
}

describe("founding", () => {
  test("the first controller founds, the others join one by one", () => {
    const site = wanted(3, 2);
    expect(describePlan(planOfCluster(site, view([EMPTY, EMPTY, EMPTY]), undefined))).toEqual([
      "1. kc1 founds the cluster: healthy controllers 0 -> 1 of 1, quorum 0 -> 1",
      "2. kc2 joins: healthy controllers 1 -> 2 of 2, quorum 1 -> 2",
      "3. kc3 joins: healthy controllers 2 -> 3 of 3, quorum 2 -> 2",
      "4. kw1, kw2 join: healthy controllers 3 -> 3 of 3, quorum 2 -> 2",
    ]);
  });

  test("a preview before the VMs exist has the same plan and no state", () => {
    const absent = view(["no VM", "no VM"]);
    expect(planOfCluster(wanted(2), absent, undefined).steps[0]?.names).toEqual(["kc1"]);
    expect(stateOf(owner, wanted(2), absent, undefined)).toBeUndefined();
    expect(() => refuse(wanted(2), absent)).not.toThrow();
  });

  test("a retry uses the recorded founder, or refuses", () => {
    const begun = view([EMPTY, EMPTY], { founder: "kc2" });
    expect(planOfCluster(wanted(2), begun, undefined).steps[0]?.names).toEqual(["kc2"]);
    expect(() => refuse(wanted(2), view([EMPTY], { founder: "kc9" }))).toThrow(
      "kc9 was chosen to found the cluster, and is no controller of the site",
    );
  });

  test("is refused while a controller may have data that nobody has seen", () => {
    expect(() => refuseUnseen(wanted(2), view([EMPTY, "stopped"]))).toThrow(
      "production cannot be founded: kc2: the VM does not run. Whether data",
    );
    expect(() => refuseUnseen(wanted(2), view([EMPTY, "silent"]))).toThrow("no answer");
    expect(() => refuseUnseen(wanted(2), view([EMPTY, EMPTY]))).not.toThrow();
  });
});

describe("data that is there already", () => {
  test("of this stack comes back without help", () => {
    const kept = view([{ ...RUNNING, isApiReady: false, unit: "inactive", stopped: DESTROYED }]);
    expect(() => refuse(wanted(1), kept)).not.toThrow();
    expect(stateOf(owner, wanted(1), kept, undefined)).toMatchObject({
      caFingerprint: CA_FINGERPRINT,
      kubeconfigStatus: "outdated",
      ownership: "owned",
      unavailable: { kc1: `k0s is stopped: ${DESTROYED}` },
    });
  });

  test("of another stack is refused, and the stack is named", () => {
    const record = makeRecord(FOREIGN, { cluster: "production" });
    expect(() => refuse(wanted(1), view([{ ...RUNNING, record }]))).toThrow(
      `the cluster on kc1 belongs to ${FOREIGN}`,
    );
  });

  test("that nobody has recorded is taken over by its fingerprint only", () => {
    const unknown = view([{ ...RUNNING, record: undefined }]);
    expect(() => refuse(wanted(1), unknown)).toThrow(
      `To take it over, set cluster.caFingerprint: ${CA_FINGERPRINT}`,
    );
    const site = wanted(1, 0, { caFingerprint: CA_FINGERPRINT });
    expect(() => refuse(site, unknown)).not.toThrow();
    expect(() => refuse(site, view([EMPTY]))).toThrow("no controller of production has data");
  });

  test("of a founding that was interrupted is ours", () => {
    const begun = view([{ ...RUNNING, record: undefined }], { founder: "kc1" });
    expect(() => refuse(wanted(1), begun)).not.toThrow();
  });

  test("of another CA is refused, also of one controller and of a recorded cluster", () => {
    const other = CA_FINGERPRINT.replace(/^../, "00");
    const mixed = view([RUNNING, { ...RUNNING, caFingerprint: other }]);
    const text = `kc2 has data of a cluster with the CA ${other}, not ${CA_FINGERPRINT}`;
    expect(() => refuse(wanted(2), mixed)).toThrow(text);
    expect(() => refuse(wanted(2), mixed, recorded(wanted(2)), wanted(2))).toThrow(text);
    const restored = view([{ ...RUNNING, caFingerprint: other }]);
    expect(() => refuse(wanted(1), restored, recorded(wanted(1)), wanted(1))).toThrow("kc1 has");
  });

  test("with members that are not in the site is refused, and they are named", () => {
    const etcdMembers = { kc1: "https://192.0.2.21:2380", "": "https://192.0.2.99:2380" };
    expect(() => refuse(wanted(1), view([{ ...RUNNING, etcdMembers }]))).toThrow(
      "etcd of production has members that are not in the site: 192.0.2.99",
    );
  });
});

describe("a cluster that was recorded", () => {
  test("is never founded again: lost data is an error", () => {
    const site = wanted(2);
    expect(() => refuse(site, view([EMPTY, EMPTY]), recorded(site), site)).toThrow(
      `no controller has data of the cluster with the CA ${CA_FINGERPRINT}`,
    );
  });

  test("two of three controllers do not leave in one change", () => {
    const before = wanted(3);
    expect(() =>
      refuse(wanted(1), view([RUNNING, RUNNING, RUNNING]), recorded(before), before),
    ).toThrow(
      "production: kc2 and kc3 would leave in one change: 2 of 3 controllers, whose quorum is 2",
    );
  });

  test("the plan has what joins and what leaves, with the quorum", () => {
    const before = wanted(3, 1);
    const { kc3, kw1, ...rest } = before.members;
    if (kc3 === undefined || kw1 === undefined) throw new Error("no members");
    const site = { ...before, members: { ...rest, kw2: kw1 } };
    const seen = view([RUNNING, RUNNING, RUNNING]);
    expect(describePlan(planOfCluster(site, seen, before))).toEqual([
      "1. kw2 joins: healthy controllers 3 -> 3 of 3, quorum 2 -> 2",
      "2. kw1 is drained and leaves: healthy controllers 3 -> 3 of 3, quorum 2 -> 2",
      "3. kc3 is drained and leaves: healthy controllers 3 -> 2 of 2, quorum 2 -> 2",
    ]);
  });

  test("the API knows better than the recorded state which workers there are", () => {
    const site = wanted(1, 2);
    const node = { role: "worker" as const, hasLostData: false, runs: undefined };
    const workers = [
      { ...node, name: "kw1", isHealthy: true },
      { ...node, name: "kw9", isHealthy: false },
    ];
    expect(describePlan(planOfCluster(site, view([RUNNING], { workers }), site))).toEqual([
      "1. kw9 is dead and is removed: healthy controllers 1 -> 1 of 1, quorum 1 -> 1",
      "2. kw2 joins: healthy controllers 1 -> 1 of 1, quorum 1 -> 1",
    ]);
  });

  test("a controller that lost its disk is removed, and joins again", () => {
    const site = wanted(3);
    const seen = view([RUNNING, RUNNING, EMPTY]);
    expect(describePlan(planOfCluster(site, seen, site))).toEqual([
      "1. kc3 is dead and is removed: healthy controllers 2 -> 2 of 2, quorum 2 -> 2",
      "2. kc3 joins: healthy controllers 2 -> 3 of 3, quorum 2 -> 2",
    ]);
  });

  test("a controller that is away is reported, and is no drift", () => {
    const site = wanted(2);
    const state = stateOf(owner, site, view([RUNNING, "stopped"]), recorded(site));
    if (state === undefined) throw new Error("no state");
    expect(state.unavailable).toEqual({ kc2: "the VM does not run" });
    expect(k0sCluster.drift(state, site)).toEqual([]);
  });

  test("the recorded state stays while nothing can be read", () => {
    const site = wanted(2);
    const state = stateOf(owner, site, view(["silent", "silent"]), recorded(site));
    expect(state).toMatchObject({ caFingerprint: CA_FINGERPRINT, ownership: "owned" });
    expect(Object.keys(state?.unavailable ?? {})).toEqual(["kc1", "kc2"]);
  });

  test("k0s that a failed destroy stopped is drift", () => {
    const site = wanted(1);
    const seen = view([{ ...RUNNING, unit: "inactive", isApiReady: false, stopped: DESTROYED }]);
    const state = stateOf(owner, site, seen, recorded(site));
    expect(state && k0sCluster.drift(state, site)).toEqual(["unavailable.kc1"]);
  });
});

describe("a cluster with nothing wrong", () => {
  const site = wanted(3, 1);
  const etcd = [1, 2, 3].map((n) => etcdMember(`kc${n}`, { peerAddress: address(n) }));
  const all = ["kc1", "kc2", "kc3"];
  const first = ({ controllers: [seen] }: View) => {
    if (seen === undefined) throw new Error("no controller");
    return seen;
  };
  const kc1 = first(view([RUNNING, RUNNING, RUNNING]));

  test("is one whose controllers are the members of etcd and answer", () => {
    expect(areWhole(site, observedOf([], etcd, all))).toBe(true);
  });

  test.each<[string, boolean]>([
    ["a controller does not answer", areWhole(site, observedOf([], etcd, ["kc1", "kc2"]))],
    ["a controller is missing in etcd", areWhole(site, observedOf([], etcd.slice(1), all))],
    [
      "etcd has another member",
      areWhole(site, observedOf([], [...etcd, etcdMember("kc9")], [...all, "kc9"])),
    ],
    [
      "a member has another address",
      areWhole(site, observedOf([], [...etcd.slice(1), etcdMember("kc1")], all)),
    ],
  ])("is none if %s", (_, isWhole) => expect(isWhole).toBe(false));

  test("is shown by one controller", () => {
    expect(shows(owner, site, recorded(site), kc1)).toBe(true);
    const one: View = { controllers: [kc1], founder: undefined };
    expect(stateOf(owner, site, one, recorded(site))).toEqual(recorded(site));
  });

  test.each<[string, Partial<typeof RUNNING>]>([
    ["has the data of another CA", { caFingerprint: CA_FINGERPRINT.replace(/^../, "00") }],
    ["has no data", { hasData: false }],
    ["has no record", { record: undefined }],
    ["has the record of another stack", { record: makeRecord(FOREIGN, {}) }],
    ["has no valid identity", { identity: { expires: new Date("2020-01-01") } }],
    ["does not answer", { isApiReady: false }],
    ["knows another member of etcd", { etcdMembers: { "": "https://192.0.2.99:2380" } }],
  ])("is not shown by a controller that %s", (_, more) => {
    const seen = { ...kc1, k0s: { ...(kc1.k0s ?? RUNNING), ...more } };
    expect(shows(owner, site, recorded(site), seen)).toBe(false);
  });
});

describe("the identity", () => {
  test("that no controller has is drift, and is made without another kubeconfig", () => {
    const site = wanted(2);
    const lost = view([{ ...RUNNING, identity: undefined }, "silent"]);
    const state = stateOf(owner, site, lost, recorded(site));
    expect(state).toMatchObject({ kubeconfigStatus: LOST });
    if (state === undefined) throw new Error("no state");
    expect(k0sCluster.drift(state, site)).toEqual(["kubeconfigStatus"]);
    expect(k0sCluster.predict(site, state)).toMatchObject({
      kubeconfig: recorded(site).kubeconfig,
      kubeconfigStatus: "valid",
    });
  });
});

describe("the kubeconfig", () => {
  test("stays the same while it is valid", () => {
    const site = wanted(1);
    expect(k0sCluster.drift(recorded(site), site)).toEqual([]);
    expect(k0sCluster.predict(site, recorded(site))).toMatchObject({
      kubeconfig: recorded(site).kubeconfig,
    });
  });

  test.each<[string, Partial<Inputs>, Partial<State>]>([
    ["another endpoint", { endpoint: "k8s.example.org" }, {}],
    ["another CA", {}, { caFingerprint: CA_FINGERPRINT.replace(/^../, "00") }],
    ["none", {}, { kubeconfig: "" }],
  ])("is made again: %s", (_, more, state) => {
    const site = wanted(1);
    const before = { ...recorded(site), ...state };
    const news = { ...site, ...more };
    expect(k0sCluster.drift(before, news)).toEqual(["kubeconfigStatus"]);
    expect(k0sCluster.predict(news, before)).toMatchObject({ kubeconfig: UNKNOWN });
  });

  test("keeps its identity where only the endpoint changes", () => {
    const [at, moved] = ["192.0.2.20", "k8s.example.org"].map((endpoint) =>
      recorded(wanted(1, 0, { endpoint })),
    );
    const server = "https://k8s.example.org:6443";
    expect(withServer(at?.kubeconfig ?? "", server)).toBe(moved?.kubeconfig);
  });

  test("is renewed sixty days before it expires", () => {
    jest.useFakeTimers({ now: new Date("2126-09-01") });
    const before = k0sCluster.drift(recorded(wanted(1)), wanted(1));
    jest.setSystemTime(new Date("2126-09-05"));
    const after = k0sCluster.drift(recorded(wanted(1)), wanted(1));
    jest.useRealTimers();
    expect([before, after]).toEqual([[], ["kubeconfigStatus"]]);
  });
});
