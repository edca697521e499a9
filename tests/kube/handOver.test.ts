/** A seed and Flux: from when its HelmRelease exists, nothing of it is changed here. */
import { InitFailed } from "../../provider/errors";
import { crdEstablished } from "../../provider/gitops/gates/platform";
import type { ValueMap } from "../../provider/wire";
import { settle } from "./cluster";
import { Seeds, bound, failed, until } from "./seeds";

let seeds: Seeds;

const HELM_RELEASES = "helm.toolkit.fluxcd.io";
const LOOSE = { type: "object", "x-kubernetes-preserve-unknown-fields": true };

beforeAll(async () => {
  seeds = await Seeds.start();
});
afterAll(() => seeds.stop());

/** The kind as Flux has it, without its schema. */
async function makeKind(): Promise<void> {
  const path = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
  const names = { kind: "HelmRelease", listKind: "HelmReleaseList", plural: "helmreleases" };
  const version = {
    name: "v2",
    served: true,
    storage: true,
    subresources: { status: {} },
    schema: { openAPIV3Schema: { type: "object", properties: { spec: LOOSE, status: LOOSE } } },
  };
  await seeds.cluster.request("POST", path, {
    apiVersion: "apiextensions.k8s.io/v1",
    kind: "CustomResourceDefinition",
    metadata: { name: `helmreleases.${HELM_RELEASES}` },
    spec: {
      group: HELM_RELEASES,
      scope: "Namespaced",
      names: { ...names, singular: "helmrelease" },
      versions: [version],
    },
  });
  const kind = crdEstablished(`helmreleases.${HELM_RELEASES}`);
  await until(async () => (await kind.look(seeds.cluster.objects)) === undefined);
  // The API serves it a moment later.
  const list = () => seeds.cluster.request("GET", `/apis/${HELM_RELEASES}/v2/helmreleases`);
  await until(() =>
    list().then(
      () => true,
      () => false,
    ),
  );
}

const pathOf = (namespace: string): string =>
  `/apis/${HELM_RELEASES}/v2/namespaces/${namespace}/helmreleases`;

async function makeHelmRelease(namespace: string, name: string, spec: object): Promise<void> {
  await seeds.cluster.request("POST", pathOf(namespace), {
    apiVersion: `${HELM_RELEASES}/v2`,
    kind: "HelmRelease",
    metadata: { namespace, name },
    spec,
  });
}

/** As helm-controller records its revisions. */
async function recordHistory(name: string, versions: number[]): Promise<void> {
  const status = versions[0] === undefined ? "failed" : "deployed";
  const history = versions.map((version) => ({ name, namespace: name, version, status }));
  const path = `${pathOf(name)}/${name}/status`;
  await seeds.cluster.request("PATCH", path, { status: { history } });
}

const adopter = (name: string): ValueMap => ({
  adopter: { namespace: name, name, source: `infrastructure/${name}.yaml:12` },
});

/** What Flux does: an upgrade by somebody else. */
async function upgradeByFlux(name: string, version: "1.0.0" | "1.1.0"): Promise<void> {
  const gitOps = seeds.pass(name).pool.gitOps();
  await gitOps.helm.run(seeds.pass(name), gitOps.cluster, {
    args: ["upgrade", name, seeds.charts[version], `--namespace=${name}`],
    input: "",
    secrets: [],
    doing: "by Flux",
  });
}

test("with a HelmRelease, also a suspended one, a seed is only reported", async () => {
  const news = seeds.wanted("a", adopter("a"));
  const state = await seeds.create("a", news);
  await makeKind();
  await makeHelmRelease("a", "a", { suspend: true });
  const seen = await seeds.read("a", state);
  const handedOver = { owner: "flux", status: "handed over", revision: 1, adopted: false };
  expect(seen).toMatchObject({ ...handedOver, restarted: [] });
  const edited = { ...news, ...seeds.chart("1.1.0"), values: '{"greeting":"bye"}' };
  // A commit in the tree that Flux takes over is no change here.
  expect([...bound.diff(seen ?? {}, news, edited, []).keys()]).toEqual([]);
  seeds.said.length = 0;
  await seeds.update("a", seen ?? {}, edited, true);
  expect(await seeds.update("a", seen ?? {}, edited)).toMatchObject(handedOver);
  expect(seeds.said).toContain(
    "a belongs to Flux: HelmRelease a/a (suspended). Nothing is changed here. " +
      "Change it in infrastructure/a.yaml:12, and push.",
  );
  expect(await seeds.record("a", 2)).toBeUndefined();
});

test("an edit of what the site itself states is shown, also without a named adopter", async () => {
  const state = await seeds.create("b", seeds.wanted("b"));
  await makeHelmRelease("b", "other", { releaseName: "b" });
  const seen = (await seeds.read("b", state)) ?? {};
  expect(seen).toMatchObject({ owner: "flux" });
  const edited = seeds.wanted("b", {}, { greeting: "bye" });
  expect([...bound.diff(seen, seeds.wanted("b"), edited, []).keys()]).toEqual(["values"]);
  seeds.said.length = 0;
  await seeds.update("b", seen, edited);
  expect(seeds.said.join()).toContain("Change it in the GitOps tree, and push");
  expect(await seeds.record("b", 2)).toBeUndefined();
});

test("an absent release with a HelmRelease is left to Flux", async () => {
  await seeds.cluster.request("POST", "/api/v1/namespaces", { metadata: { name: "c" } });
  await makeHelmRelease("c", "c", { suspend: true });
  const state = await seeds.create("c", seeds.wanted("c", adopter("c")));
  expect(state).toMatchObject({ owner: "flux", revision: 0, adopted: false });
  expect(await seeds.record("c", 1)).toBeUndefined();
});

test("a pending release is not touched after the hand-over", async () => {
  const error = await failed(seeds.create("d", seeds.wanted("d", {}, { refused: "NO_NAME" })));
  if (!(error instanceof InitFailed)) throw error;
  await makeHelmRelease("d", "d", {});
  const state = await seeds.update("d", error.properties, seeds.wanted("d", adopter("d")));
  expect(state).toMatchObject({ owner: "flux", status: "handed over" });
  expect(await seeds.record("d", 1)).toMatchObject({ status: "failed" });
  expect(await seeds.record("d", 2)).toBeUndefined();
});

describe("the adoption", () => {
  test("is proved by one revision more, and that nothing restarted", async () => {
    const news = seeds.wanted("e", adopter("e"));
    const state = await seeds.create("e", news);
    await makeHelmRelease("e", "e", {});
    await upgradeByFlux("e", "1.0.0");
    await recordHistory("e", [2]);
    const adopted = (await seeds.read("e", state)) ?? {};
    expect(adopted).toMatchObject({ owner: "flux", revision: 1, adopted: true, restarted: [] });
    // Later Flux restarts the pods for a reason of its own.
    await upgradeByFlux("e", "1.1.0");
    await recordHistory("e", [3, 2]);
    expect(await seeds.read("e", adopted)).toEqual(adopted);
    expect(seeds.cluster.requests.sort()).toEqual([
      "GET /api/v1/secrets",
      `GET /apis/${HELM_RELEASES}/v2/helmreleases`,
    ]);
  });

  test("names the workloads that it restarted", async () => {
    const state = await seeds.create("f", seeds.wanted("f"));
    await makeHelmRelease("f", "f", {});
    await upgradeByFlux("f", "1.1.0");
    await recordHistory("f", [2]);
    const seen = await seeds.read("f", state);
    expect(seen).toMatchObject({ adopted: true, restarted: ["Deployment f/f"] });
  });

  test("that is seen late is proved by the records of both revisions", async () => {
    const state = await seeds.create("g", seeds.wanted("g"));
    await makeHelmRelease("g", "g", {});
    await upgradeByFlux("g", "1.0.0");
    await upgradeByFlux("g", "1.1.0");
    await recordHistory("g", [3, 2]);
    expect(await seeds.read("g", state)).toMatchObject({ adopted: true, restarted: [] });
  });

  test("has not happened while Flux fails at it", async () => {
    const state = await seeds.create("h", seeds.wanted("h"));
    await makeHelmRelease("h", "h", {});
    await recordHistory("h", []);
    expect(await seeds.read("h", state)).toMatchObject({ owner: "flux", adopted: false });
  });
});

test("a seed that stays with Pulumi refuses a HelmRelease for it", async () => {
  await seeds.create("i", seeds.wanted("i", { owner: "pulumi" }));
  await makeHelmRelease("i", "i", {});
  const news = seeds.wanted("i", { owner: "pulumi", ...seeds.chart("1.1.0") });
  const error = await failed(seeds.create("i", news, true));
  expect(error.message).toContain("HelmRelease i/i in the cluster manages it too");
});

test("removing a seed forgets it", async () => {
  const news = seeds.wanted("j");
  const state = await seeds.create("j", news);
  const context = seeds.pass("j");
  await bound.remove(context, news, state);
  expect(seeds.cluster.requests).toEqual([]);
  expect(await seeds.record("j", 1)).toMatchObject({ status: "deployed" });
});

describe("the gate", () => {
  const gated = { gate: { workloads: true, nodes: false, crds: [], defaultStorageClass: false } };

  test("waits until the workloads are ready", async () => {
    const work = seeds.create("k", seeds.wanted("k", gated));
    const path = "/apis/apps/v1/namespaces/k/deployments/k";
    const timer = setInterval(() => void settle(seeds.cluster, path).catch(() => undefined), 500);
    expect(await work).toMatchObject({ status: "deployed", generations: { "Deployment k/k": 1 } });
    clearInterval(timer);
  });

  test("names on time-out what it waited for, and the reasons", async () => {
    const { request } = seeds.cluster;
    await request("POST", "/api/v1/namespaces", { metadata: { name: "l" } });
    await request("POST", "/api/v1/namespaces/l/persistentvolumeclaims", {
      metadata: { name: "data" },
      spec: { accessModes: ["ReadWriteOnce"], resources: { requests: { storage: "1Gi" } } },
    });
    const container = { name: "main", image: "example.com/demo" };
    const pod = await seeds.cluster.request("POST", "/api/v1/namespaces/l/pods", {
      metadata: { name: "l-1", labels: { app: "l" } },
      spec: {
        containers: [container],
        volumes: [{ name: "data", persistentVolumeClaim: { claimName: "data" } }],
      },
    });
    const uid = /"uid":"([^"]+)"/.exec(pod.body)?.[1] ?? "";
    const waiting = { reason: "ImagePullBackOff", message: "manifest unknown" };
    const status = { ...container, ready: false, restartCount: 0, imageID: "", state: { waiting } };
    const unscheduled = { type: "PodScheduled", status: "False", reason: "Unschedulable" };
    await request("PATCH", "/api/v1/namespaces/l/pods/l-1/status", {
      status: {
        containerStatuses: [status],
        conditions: [{ ...unscheduled, message: "0/3 nodes are available" }],
      },
    });
    for (let number = 1; number <= 7; number++) {
      await request("POST", "/api/v1/namespaces/l/events", {
        metadata: { name: `event-${number}` },
        involvedObject: { kind: "Pod", namespace: "l", name: "l-1", uid },
        type: "Warning",
        reason: "FailedMount",
        message: `attempt ${number}`,
        lastTimestamp: `2026-01-01T00:00:0${number}Z`,
      });
    }
    const error = await failed(
      seeds.create("l", seeds.wanted("l", { ...gated, timeoutSeconds: 12 })),
    );
    const lines = error.message.split("\n").map((line) => line.trim());
    expect(lines[0]).toMatch(/^l: timed out after \d+ s waiting until:$/);
    expect(lines).toContain("Deployment l/l is ready: its controller has not seen it yet");
    expect(lines).toContain("pod l/l-1: Unschedulable: 0/3 nodes are available");
    expect(lines).toContain("pod l/l-1: container main: ImagePullBackOff: manifest unknown");
    expect(lines).toContain("volume claim l/data: Pending");
    const events = lines.filter((line) => line.includes("event FailedMount"));
    expect(events.map((line) => line.split(" ").pop())).toEqual(["7", "6", "5", "4", "3"]);
    if (!(error instanceof InitFailed)) throw new Error("nothing was recorded");
    expect(error.properties).toMatchObject({ status: "deployed", revision: 1 });
  });
});
