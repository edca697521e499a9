/** Gates on objects as the API shows them, and what a gate says when it stays closed. */
import { ApiFailure } from "../../../../provider/cluster/kube/failure";
import { parseKubeObject } from "../../../../provider/cluster/kube/objectClient";
import type { KubeObject, ObjectApi } from "../../../../provider/cluster/kube/objectClient";
import { ProviderError } from "../../../../provider/errors";
import { awaitGates } from "../../../../provider/gitops/gates/gate";
import type { Gate } from "../../../../provider/gitops/gates/gate";
import {
  cephReady,
  crdEstablished,
  defaultStorageClass,
  nodesReady,
} from "../../../../provider/gitops/gates/platform";
import { unmetBy } from "../../../../provider/gitops/gates/workloads";
import { contextOf } from "../context";

/** Path -> what the API has there. */
type Objects = Record<string, object | object[]>;

function apiWith(objects: Objects): ObjectApi {
  const list = (path: string): Promise<KubeObject[]> =>
    Promise.resolve([objects[path] ?? []].flat().map(parseKubeObject));
  const get = (path: string): Promise<KubeObject | undefined> => {
    const found = objects[path];
    return Promise.resolve(found && parseKubeObject(found));
  };
  return { list, listMetadata: list, get, patch: () => Promise.reject(new Error("read only")) };
}

const why = async (gate: Gate, objects: Objects): Promise<string | undefined> =>
  (await gate.look(apiWith(objects)))?.why;

const ready = (type: string, status = "True", message = "") => ({
  status: { conditions: [{ type, status, message }] },
});

test.each([
  ["Deployment", { replicas: 2 }, { readyReplicas: 2, updatedReplicas: 2 }, undefined],
  [
    "Deployment",
    { replicas: 2 },
    { readyReplicas: 1, updatedReplicas: 2 },
    "1 of 2 pods are ready",
  ],
  ["StatefulSet", {}, { readyReplicas: 1, updatedReplicas: 0 }, "1 of 1 pods are ready, 0 updated"],
  ["Deployment", { replicas: 0 }, {}, undefined],
  [
    "DaemonSet",
    {},
    { desiredNumberScheduled: 3, numberReady: 2, updatedNumberScheduled: 3 },
    "2 of 3 pods are ready",
  ],
  ["DaemonSet", {}, {}, "its controller has not seen it yet"],
  ["Deployment", {}, { observedGeneration: 3 }, "its controller has not seen it yet"],
])("%s with %j and %j: %s", (kind, spec, status, expected) => {
  const metadata = { name: "x", namespace: "apps", generation: 4 };
  const object = { kind, metadata, spec, status: { observedGeneration: 4, ...status } };
  expect(unmetBy(parseKubeObject(object))?.why).toBe(expected);
});

test("nodes, CRDs and storage classes", async () => {
  const node = (name: string, status: string) => ({
    metadata: { name },
    ...ready("Ready", status),
  });
  const nodes = "/api/v1/nodes";
  expect(await why(nodesReady, {})).toBe("the cluster has no nodes");
  expect(await why(nodesReady, { [nodes]: [node("a", "True"), node("b", "Unknown")] })).toBe(
    "not Ready: b",
  );
  expect(await why(nodesReady, { [nodes]: [node("a", "True")] })).toBeUndefined();

  const crd = crdEstablished("x.example.com");
  const crdPath = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/x.example.com";
  expect(await why(crd, {})).toBe("it does not exist");
  expect(await why(crd, { [crdPath]: ready("Established", "False") })).toMatch(/does not serve/);
  expect(await why(crd, { [crdPath]: ready("Established") })).toBeUndefined();

  const classes = "/apis/storage.k8s.io/v1/storageclasses";
  const annotations = { "storageclass.kubernetes.io/is-default-class": "true" };
  expect(await why(defaultStorageClass, { [classes]: [{ metadata: { name: "slow" } }] })).toBe(
    "the cluster has only slow",
  );
  const found = [{ metadata: { name: "fast", annotations } }];
  expect(await why(defaultStorageClass, { [classes]: found })).toBeUndefined();
});

test("a CephCluster that is Ready needs its OSDs too", async () => {
  const gate = cephReady("rook-ceph", "ceph", 2);
  const path = "/apis/ceph.rook.io/v1/namespaces/rook-ceph/cephclusters/ceph";
  const osds = "/apis/apps/v1/namespaces/rook-ceph/deployments";
  const cluster = (phase: string) => ({ [path]: { status: { phase } } });
  expect(await why(gate, cluster("Progressing"))).toBe("it is Progressing");
  expect(await why(gate, cluster("Ready"))).toBe("it is Ready, with 0 OSDs up");
  const up = [ready("Available"), ready("Available")];
  expect(await why(gate, { ...cluster("Ready"), [osds]: up })).toBeUndefined();
});

describe("a wait for gates", () => {
  const closed = (what: string): Gate => {
    return { what, look: () => Promise.resolve({ why: "no", about: [] }) };
  };
  const waiting = { name: "demo", seconds: 0.2, pollMs: 20 };
  const cluster = { objects: () => apiWith({}) };

  test("asks an open gate no more, and names all closed ones", async () => {
    let looks = 0;
    const open: Gate = { what: "open", look: () => Promise.resolve(void (looks += 1)) };
    const gates = [open, closed("first"), closed("second")];
    const error = awaitGates(contextOf("urn"), cluster, { ...waiting, gates, remedy: "Mend it." });
    await expect(error).rejects.toThrow(/until:\n {2}first: no\n {2}second: no\n {2}Mend it\.$/);
    expect(looks).toBe(1);
  });

  test("goes on while the API does not answer", async () => {
    let looks = 0;
    const failures = [
      new ProviderError("unreachable", "no controller"),
      new ApiFailure(503, "ServiceUnavailable", "starting"),
    ];
    const gate: Gate = {
      what: "late",
      look() {
        const failure = failures[looks++];
        return failure === undefined ? Promise.resolve(undefined) : Promise.reject(failure);
      },
    };
    await awaitGates(contextOf("urn"), cluster, { ...waiting, gates: [gate] });
    expect(looks).toBe(3);
  });

  test("ends at once with a refusal of the API, and when it is cancelled", async () => {
    const refused = new ApiFailure(403, "Forbidden", "not you");
    const gate: Gate = { what: "x", look: () => Promise.reject(refused) };
    const work = awaitGates(contextOf("urn"), cluster, { ...waiting, gates: [gate] });
    await expect(work).rejects.toBe(refused);
    const context = { ...contextOf("urn"), signal: AbortSignal.timeout(30) };
    const never = awaitGates(context, cluster, { ...waiting, seconds: 60, gates: [closed("x")] });
    await expect(never).rejects.toMatchObject({ reason: "cancelled" });
  });
});
