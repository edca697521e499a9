/** Draining a node: which pods go, what holds them, and what is left after a failure. */
import type { DrainConfig } from "../../../../provider/cluster/config";
import { CORDONED, drain } from "../../../../provider/cluster/drain/drain";
import { refusalOf, verdictOf } from "../../../../provider/cluster/drain/podRules";
import type { DrainRules } from "../../../../provider/cluster/drain/podRules";
import type { NodePatch } from "../../../../provider/cluster/kube/client";
import { ApiFailure } from "../../../../provider/cluster/kube/failure";
import type { Budget, KubeNode, Pod } from "../../../../provider/cluster/kube/objects";
import { contextOf } from "../context";
import { node } from "./standIns";

const pod = (name: string, more: Partial<Pod> = {}): Pod => ({
  namespace: "default",
  name,
  uid: name,
  labels: { app: "web" },
  isFinished: false,
  isTerminating: false,
  isMirror: false,
  controller: "ReplicaSet",
  emptyDirs: [],
  ...more,
});

const budget: Budget = {
  namespace: "default",
  name: "web",
  selector: { matchLabels: { app: "web" }, matchExpressions: [] },
  allowed: 0,
  healthy: 2,
  needed: 2,
};

const strict: DrainConfig = {
  timeoutSeconds: 1,
  localStorage: "refuse",
  unmanagedPods: "refuse",
};

/** A cluster whose pods end when they are evicted. */
class Cluster {
  readonly patches: NodePatch[] = [];
  readonly evicted: string[] = [];
  budgets: Budget[] = [];
  /** Pods that a budget holds, and how often. */
  readonly held = new Map<string, number>();
  onEvict: () => void = () => undefined;

  constructor(public pods: Pod[]) {}

  patchNode = (_name: string, patch: NodePatch): Promise<KubeNode> => {
    this.patches.push(patch);
    return Promise.resolve(node("kw1"));
  };
  listPods = (): Promise<Pod[]> => Promise.resolve(this.pods);
  listBudgets = (): Promise<Budget[]> => Promise.resolve(this.budgets);
  evict = async ({ name }: Pod): Promise<void> => {
    await Promise.resolve();
    this.onEvict();
    const held = this.held.get(name) ?? 0;
    if (held > 0) {
      this.held.set(name, held - 1);
      throw new ApiFailure(429, "TooManyRequests", "it would violate the pod's disruption budget");
    }
    this.evicted.push(name);
    this.pods = this.pods.filter((one) => one.name !== name);
  };

  drain(rules: Partial<DrainConfig> = {}, of: KubeNode = node("kw1")): Promise<void> {
    const api = (): Promise<this> => Promise.resolve(this);
    return drain(contextOf("urn"), {
      api,
      node: of,
      rules: { ...strict, ...rules },
      retryMs: 50,
    });
  }
}

const CORDON = { unschedulable: true, annotations: { [CORDONED]: "draining" } };
const UNCORDON = { unschedulable: false, annotations: { [CORDONED]: null } };

const deleting: DrainRules = { localStorage: "delete", unmanagedPods: "delete" };

test.each<[string, Partial<Pod>, string, string]>([
  ["of a controller", {}, "evict", "evict"],
  [
    "of a DaemonSet, with local storage",
    { controller: "DaemonSet", emptyDirs: ["x"] },
    "leave",
    "leave",
  ],
  ["of the node itself", { isMirror: true, controller: "Node" }, "leave", "leave"],
  ["that has finished", { isFinished: true, controller: undefined }, "leave", "leave"],
  ["that ends already", { isTerminating: true, emptyDirs: ["x"] }, "wait", "wait"],
  ["with local storage", { emptyDirs: ["x"] }, "local-storage", "evict"],
  ["that nothing creates again", { controller: undefined }, "unmanaged", "evict"],
])("a pod %s", (_, more, refusing, allowed) => {
  expect(verdictOf(pod("a", more), strict)).toBe(refusing);
  expect(verdictOf(pod("a", more), deleting)).toBe(allowed);
});

test("a refusal names the pods and the keys of the site", () => {
  const pods = [
    pod("a", { emptyDirs: ["x"] }),
    pod("b", { controller: undefined, emptyDirs: ["x"] }),
  ];
  expect(refusalOf(pods, strict)).toEqual({
    what:
      "pods with data in an emptyDir volume: default/a; " +
      "pods that no controller creates again: default/b",
    remedy:
      "Remove these pods, or state cluster.drain.localStorage: delete and " +
      "cluster.drain.unmanagedPods: delete in the site.",
  });
  const lenient: DrainRules = { localStorage: "refuse", unmanagedPods: "delete" };
  expect(refusalOf(pods, lenient)?.what).toBe(
    "pods with data in an emptyDir volume: default/a, default/b",
  );
  expect(refusalOf(pods, deleting)).toBeUndefined();
});

test("the node is cordoned, and the pods that must go are evicted", async () => {
  const cluster = new Cluster([pod("a"), pod("b"), pod("d", { controller: "DaemonSet" })]);
  await cluster.drain();
  expect(cluster.evicted).toEqual(["a", "b"]);
  expect(cluster.patches).toEqual([CORDON]);
});

test("a refused drain changes nothing", async () => {
  const cluster = new Cluster([pod("a"), pod("b", { controller: undefined })]);
  await expect(cluster.drain()).rejects.toThrow(
    "kw1: the node is not drained, because of pods that no controller creates again: default/b\n",
  );
  expect([cluster.patches, cluster.evicted]).toEqual([[], []]);
});

test("an eviction that a budget holds is repeated", async () => {
  const cluster = new Cluster([pod("a"), pod("b")]);
  cluster.held.set("a", 3);
  await cluster.drain({ timeoutSeconds: 20 });
  expect(cluster.evicted).toEqual(["b", "a"]);
  expect(cluster.patches).toEqual([CORDON]);
});

test("the error at the limit names the budget; the node is schedulable again", async () => {
  const cluster = new Cluster([pod("a"), pod("b")]);
  cluster.held.set("a", Infinity);
  cluster.budgets = [
    { ...budget, name: "other", selector: { matchLabels: { app: "db" }, matchExpressions: [] } },
    { ...budget, namespace: "elsewhere" },
    budget,
  ];
  await expect(cluster.drain()).rejects.toMatchObject({
    reason: "deadline",
    what:
      "kw1: the drain did not end in 1 s: default/a: " +
      "PodDisruptionBudget default/web needs 2 healthy pods and has 2",
  });
  expect(cluster.patches).toEqual([CORDON, UNCORDON]);
});

test("at the limit the error names pods that do not end", async () => {
  const cluster = new Cluster(
    Array.from({ length: 7 }, (_, index) => pod(`p${index}`, { isTerminating: true })),
  );
  await expect(cluster.drain()).rejects.toThrow(
    "pods that do not end: default/p0, default/p1, default/p2, default/p3, default/p4, and 2 more",
  );
  expect(cluster.evicted).toEqual([]);
  expect(cluster.patches).toEqual([CORDON, UNCORDON]);
});

test.each<[string, Partial<KubeNode>, object[]]>([
  ["people have cordoned stays cordoned", { isUnschedulable: true }, []],
  [
    "an interrupted drain has cordoned is schedulable again",
    { isUnschedulable: true, annotations: { [CORDONED]: "draining" } },
    [UNCORDON],
  ],
])("after a failure, a node that %s", async (_, more, patches) => {
  const cluster = new Cluster([pod("a")]);
  cluster.onEvict = () => {
    throw new ApiFailure(403, "Forbidden", "no");
  };
  await expect(cluster.drain({}, node("kw1", more))).rejects.toThrow("no");
  expect(cluster.patches).toEqual(patches);
});

test("a cancelled drain makes the node schedulable again", async () => {
  const cluster = new Cluster([pod("a")]);
  const cancelled = new AbortController();
  cluster.onEvict = () => {
    cancelled.abort();
    throw new ApiFailure(429, "TooManyRequests", "held");
  };
  const call = { ...contextOf("urn"), signal: cancelled.signal };
  const api = (): Promise<Cluster> => Promise.resolve(cluster);
  const rules = { ...strict, timeoutSeconds: 60 };
  await expect(drain(call, { api, node: node("kw1"), rules })).rejects.toMatchObject({
    reason: "cancelled",
  });
  expect(cluster.patches).toEqual([CORDON, UNCORDON]);
});

test.each<[string, string[], object, boolean]>([
  ["In", ["web"], { app: "web" }, true],
  ["In", ["web"], { app: "db" }, false],
  ["In", ["web"], {}, false],
  ["NotIn", ["web"], { app: "db" }, true],
  ["NotIn", ["web"], {}, true],
  ["NotIn", ["web"], { app: "web" }, false],
  ["Exists", [], { app: "x" }, true],
  ["Exists", [], {}, false],
  ["DoesNotExist", [], {}, true],
  ["DoesNotExist", [], { app: "x" }, false],
])("a budget that selects by %s %j, labels %j", async (operator, values, labels, selects) => {
  const cluster = new Cluster([pod("a", { labels: { ...labels } })]);
  cluster.held.set("a", Infinity);
  const matchExpressions = [{ key: "app", operator, values }];
  cluster.budgets = [{ ...budget, selector: { matchLabels: {}, matchExpressions } }];
  const words = selects ? "PodDisruptionBudget default/web" : "does not allow its eviction now";
  await expect(cluster.drain({ timeoutSeconds: 0.01 })).rejects.toThrow(words);
});
