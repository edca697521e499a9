/** FluxControllers and FluxHandOver against an API in memory. */
import { createHash } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fluxControllers } from "../../../../provider/resources/gitops/fluxControllers";
import { ownerLabels } from "../../../../provider/gitops/ownership";
import { fluxHandOver } from "../../../../provider/resources/gitops/fluxHandOver";
import { FakeApi } from "./fakeApi";
import { URN, contextWith } from "./gitServers";

jest.setTimeout(30_000);

const COMMIT = "a".repeat(40);
let api: FakeApi;
let said: string[];
let directory: string;
beforeEach(() => {
  api = new FakeApi();
  said = [];
  directory = mkdtempSync(join(tmpdir(), "pulumi-microvm-flux-"));
});
afterEach(() => rmSync(directory, { recursive: true }));
const context = () => contextWith(api, said);

describe("FluxHandOver", () => {
  const wanted = {
    namespace: "flux-system",
    gitRepository: "flux-system",
    kustomization: "flux-system",
    revision: COMMIT,
  };
  const REPOSITORY =
    "/apis/source.toolkit.fluxcd.io/v1/namespaces/flux-system/gitrepositories/flux-system";
  const KUSTOMIZATION =
    "/apis/kustomize.toolkit.fluxcd.io/v1/namespaces/flux-system/kustomizations/flux-system";

  interface Shown {
    handled?: string;
    ready?: string;
    message?: string;
    status?: object;
    spec?: object;
  }
  const shown = ({ handled = "", ready = "True", message = "", status = {}, spec }: Shown) => ({
    metadata: { name: "flux-system", generation: 1 },
    spec,
    status: {
      observedGeneration: 1,
      lastHandledReconcileAt: handled,
      conditions: [{ type: "Ready", status: ready, reason: "Reason", message }],
      ...status,
    },
  });
  const artifact = { artifact: { revision: `main@sha1:${COMMIT}` } };
  const applied = { lastAppliedRevision: `main@sha1:${COMMIT}` };
  const requestedAt = (body: unknown): string =>
    /"reconcile.fluxcd.io\/requestedAt":"([^"]+)"/.exec(JSON.stringify(body))?.[1] ?? "";

  /** Flux handles a request as soon as it is asked. */
  function reconciles(kustomization: Shown = { status: applied }): void {
    api.set(REPOSITORY, shown({ status: artifact }));
    api.set(KUSTOMIZATION, shown(kustomization));
    api.before = ({ method, path, body }) => {
      if (method !== "PATCH") return;
      const handled = requestedAt(JSON.parse(body ?? ""));
      if (path === REPOSITORY) api.set(REPOSITORY, shown({ handled, status: artifact }));
      else api.set(KUSTOMIZATION, shown({ ...kustomization, handled }));
    };
  }

  test("requests a reconciliation of the source first, and waits for both", async () => {
    reconciles();
    const state = await fluxHandOver.converge(context(), wanted, undefined, undefined);
    expect(state).toEqual({ status: "ready", revision: COMMIT });
    const patches = api.requests.filter((one) => one.startsWith("PATCH"));
    expect(patches).toEqual([`PATCH ${REPOSITORY}`, `PATCH ${KUSTOMIZATION}`]);
  });

  test("a pass without changes makes two calls, and later failures are Flux's own", async () => {
    reconciles();
    api.set(KUSTOMIZATION, shown({ ready: "False", message: "later" }));
    const recorded = { status: "ready", revision: COMMIT };
    expect(await fluxHandOver.observe(context(), wanted, recorded)).toEqual(recorded);
    expect(api.requests).toHaveLength(2);
  });

  test("an object that is gone is drift", async () => {
    reconciles();
    api.objects_.delete(KUSTOMIZATION);
    const recorded = { status: "ready", revision: COMMIT };
    const seen = await fluxHandOver.observe(context(), wanted, recorded);
    expect(seen).toEqual({ status: "absent", revision: COMMIT });
    expect(seen && fluxHandOver.drift(seen, wanted)).toEqual(["status"]);
  });

  test("a time-out names the object and Flux's reason", async () => {
    reconciles({ ready: "False", message: "kustomize build failed", status: applied });
    // Time for three looks, also on a busy machine.
    const late = { ...context(), workSeconds: 10 };
    await expect(fluxHandOver.converge(late, wanted, undefined, undefined)).rejects.toThrow(
      "  Flux has applied aaaaaaaaaaaa: " +
        "Kustomization flux-system/flux-system: Reason: kustomize build failed",
    );
  });

  test("a branch that has moved on is applied too, and said", async () => {
    const other = { lastAppliedRevision: `main@sha1:${"b".repeat(40)}` };
    reconciles({ status: other });
    artifact.artifact.revision = other.lastAppliedRevision;
    await fluxHandOver.converge(context(), wanted, undefined, undefined);
    artifact.artifact.revision = `main@sha1:${COMMIT}`;
    expect(said.join()).toContain(`warning: Flux has applied ${"b".repeat(40)}, not ${COMMIT}`);
  });

  test("a suspended Flux is refused with the command that resumes it", async () => {
    reconciles();
    api.set(KUSTOMIZATION, shown({ spec: { suspend: true } }));
    await expect(
      Promise.resolve(fluxHandOver.refuse?.(context(), wanted, undefined, undefined, undefined)),
    ).rejects.toThrow(/suspended[^]*Run flux resume kustomization flux-system/);
  });
});

describe("FluxControllers", () => {
  const MANIFESTS = `---
apiVersion: apps/v1
kind: Deployment
metadata: { name: source-controller, namespace: flux-system, annotations: { a: b } }
---
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: { name: gitrepositories.source.toolkit.fluxcd.io }
---
# nothing
---
apiVersion: v1
kind: Namespace
metadata: { name: flux-system }
`;
  const PATH = "/apis/apps/v1/namespaces/flux-system/deployments/source-controller";
  const kinds = (name: string, kind: string, namespaced: boolean) => ({
    resources: [
      { name, kind, namespaced },
      { name: `${name}/status`, kind, namespaced },
    ],
  });

  function wantedOf(text = MANIFESTS) {
    const manifests = join(directory, "gotk-components.yaml");
    writeFileSync(manifests, text);
    const digest = createHash("sha256").update(text).digest("hex");
    return { namespace: "flux-system", manifests, digest };
  }
  const deployment = (more: { labels?: object; available?: number } = {}) => ({
    metadata: {
      name: "source-controller",
      generation: 1,
      namespace: "flux-system",
      labels: more.labels ?? ownerLabels(URN),
    },
    spec: { replicas: 1 },
    status: {
      observedGeneration: 1,
      updatedReplicas: 1,
      readyReplicas: more.available ?? 1,
      conditions: [{ type: "Available", status: "False", message: "no node" }],
    },
  });

  function discovery(): void {
    api.set("/apis/apps/v1", kinds("deployments", "Deployment", true));
    api.set(
      "/apis/apiextensions.k8s.io/v1",
      kinds("customresourcedefinitions", "CustomResourceDefinition", false),
    );
    api.set("/api/v1", kinds("namespaces", "Namespace", false));
  }

  test("applies namespaces and kinds first, marks all as ours, and waits", async () => {
    discovery();
    api.before = ({ method, path }) => {
      if (method === "PATCH" && path.startsWith(PATH)) api.set(PATH, deployment());
    };
    const state = await fluxControllers.converge(context(), wantedOf(), undefined, undefined);
    expect(state).toEqual({ status: "ready", owner: "pulumi" });
    expect(api.requests.filter((one) => one.startsWith("PATCH"))).toEqual([
      "PATCH /api/v1/namespaces/flux-system?fieldManager=kubectl&force=true",
      "PATCH /apis/apiextensions.k8s.io/v1/customresourcedefinitions/" +
        "gitrepositories.source.toolkit.fluxcd.io?fieldManager=kubectl&force=true",
      `PATCH ${PATH}?fieldManager=kubectl&force=true`,
    ]);
    expect(api.bodies[2]).toMatchObject({
      metadata: { annotations: { a: "b" }, labels: ownerLabels(URN) },
    });
  });

  test("what Flux applies itself is only reported", async () => {
    const labels = { "kustomize.toolkit.fluxcd.io/name": "flux-system" };
    api.set(PATH, deployment({ labels, available: 0 }));
    const wanted = wantedOf("changed: true");
    const seen = await fluxControllers.observe(context(), wanted, undefined);
    expect(seen).toEqual({ status: "not ready", owner: "flux" });
    expect(seen && fluxControllers.drift(seen, wanted)).toEqual([]);
    expect(await fluxControllers.converge(context(), wanted, seen, seen)).toEqual(seen);
    expect(api.requests.some((one) => one.startsWith("PATCH"))).toBe(false);
  });

  test("a Flux that others installed is refused", async () => {
    api.set(PATH, deployment({ labels: {} }));
    const wanted = wantedOf();
    const seen = await fluxControllers.observe(context(), wanted, undefined);
    expect(seen?.owner).toBe("foreign");
    expect(() => fluxControllers.refuse?.(context(), wanted, seen, undefined, undefined)).toThrow(
      /Flux runs in flux-system already/,
    );
    await expect(fluxControllers.converge(context(), wanted, seen, undefined)).rejects.toThrow(
      /already/,
    );
  });

  test("a time-out names the controllers that are not available", async () => {
    discovery();
    api.set(PATH, deployment({ available: 0 }));
    const late = { ...context(), workSeconds: 1 };
    await expect(fluxControllers.converge(late, wantedOf(), undefined, undefined)).rejects.toThrow(
      /source-controller is ready: 0 of 1 pods are ready[^]*Available.*no node/,
    );
  });

  test("refuses a file that is no manifest, or that has changed meanwhile", async () => {
    const other = { ...wantedOf(), digest: "0".repeat(64) };
    await expect(fluxControllers.converge(context(), other, undefined, undefined)).rejects.toThrow(
      /has changed during this run/,
    );
    await expect(
      fluxControllers.converge(context(), wantedOf("a: b"), undefined, undefined),
    ).rejects.toThrow(/document 1 is no Kubernetes object/);
  });
});
