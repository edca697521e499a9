/** What a seed decides: its steps, its faults, and which changes are none. */
import { parseKubeObject } from "../../../../provider/cluster/kube/objectClient";
import { encodeRelease, releaseOf } from "../../../../provider/gitops/helm/release";
import { gatesOf } from "../../../../provider/resources/gitops/seedApply";
import { workloadsOf } from "../../../../provider/resources/gitops/seedLook";
import {
  faultsOf,
  helmReleaseFor,
  inputs,
  statusOf,
  stepFor,
} from "../../../../provider/resources/gitops/seedState";
import type { Inputs } from "../../../../provider/resources/gitops/seedState";
import { seed } from "../../../../provider/resources/gitops/seed";
import { toMap } from "../../../../provider/wire";
import { bind } from "../../../../provider/lifecycle";

const REPOSITORY = { kind: "repository", url: "https://x", name: "demo", version: "1.0.0" };

function wanted(more: object = {}): Inputs {
  return inputs.parse({
    cluster: "production",
    releaseName: "demo",
    namespace: "apps",
    storageNamespace: "apps",
    chart: REPOSITORY,
    values: "{}",
    ...more,
  });
}

const MANIFEST = `
apiVersion: apps/v1
kind: Deployment
metadata: { name: demo }
spec: {}
`;

function release(status: string, version = "1.0.0") {
  const chart = { metadata: { name: "demo", version } };
  const record = { info: { status }, chart, config: {}, manifest: MANIFEST };
  const labels = { name: "demo", version: "3" };
  const found = releaseOf(
    parseKubeObject({
      metadata: { namespace: "apps", labels },
      data: { release: encodeRelease(record) },
    }),
  );
  if (found === undefined) throw new Error("no release");
  return found;
}

test.each([
  ["deployed", "1.0.0", "nothing", "deployed"],
  ["deployed", "0.9.0", "upgrade", "changed"],
  ["failed", "1.0.0", "upgrade", "failed"],
  ["pending-install", "1.0.0", "unlock", "pending"],
  ["pending-upgrade", "1.0.0", "unlock", "pending"],
  ["pending-rollback", "1.0.0", "unlock", "pending"],
  ["uninstalling", "1.0.0", "unlock", "pending"],
  ["uninstalled", "1.0.0", "install again", "uninstalled"],
])("a release that is %s with chart %s: %s", (status, version, step, verdict) => {
  const found = release(status, version);
  expect(stepFor(wanted(), found)).toBe(step);
  expect(statusOf(wanted(), found)).toBe(verdict);
});

test("an absent release is installed", () => {
  expect(stepFor(wanted(), undefined)).toBe("install");
});

test.each([
  [{ chart: { kind: "repository", version: "1" } }, ["chart.url", "chart.name"]],
  [{ chart: { kind: "oci", version: "1" } }, ["chart.url"]],
  [{ chart: { kind: "path", name: "demo", version: "1" } }, ["chart.path"]],
  [{ chart: { ...REPOSITORY, url: "file:///x" } }, ["chart.url"]],
  [{ chart: { ...REPOSITORY, name: "--post-renderer=x" } }, ["chart"]],
  [{ values: "[]" }, ["values"]],
  [{ values: "no JSON" }, ["values"]],
  [{ storageNamespace: "flux-system" }, ["storageNamespace"]],
  [{}, []],
])("inputs %j have faults in %j", (more, properties) => {
  expect(faultsOf(wanted(more)).map(({ property }) => property)).toEqual(properties);
});

test("a name that Helm refuses is a fault", () => {
  expect(inputs.safeParse({ ...wanted(), releaseName: "x".repeat(54) }).success).toBe(false);
});

test("the HelmRelease of a seed is its adopter, or one of the same release", () => {
  const base = { releaseName: "demo", storageNamespace: "apps", isSuspended: false, revisions: [] };
  const same = { ...base, namespace: "flux-system", name: "other" };
  const adopter = { ...base, namespace: "apps", name: "demo", releaseName: "apps-demo" };
  const elsewhere = { ...same, storageNamespace: "flux-system" };
  const named = wanted({ adopter: { namespace: "apps", name: "demo", source: "a:1" } });
  expect(helmReleaseFor(wanted(), { helmReleases: [elsewhere, same] })).toBe(same);
  expect(helmReleaseFor(named, { helmReleases: [adopter] })).toBe(adopter);
  expect(helmReleaseFor(wanted(), { helmReleases: [adopter, elsewhere] })).toBeUndefined();
});

test("a gate has what the site asks for, and the workloads of the release", async () => {
  const made = await workloadsOf(release("deployed"), wanted());
  const gate = {
    nodes: true,
    crds: ["x.example.com"],
    defaultStorageClass: true,
    cephCluster: { namespace: "rook-ceph", name: "rook-ceph", osds: 3 },
  };
  const names = (more: object): string[] =>
    gatesOf(wanted({ gate: more }).gate, made).map(({ what }) => what);
  expect(names({})).toEqual(["Deployment apps/demo is ready"]);
  expect(names({ ...gate, workloads: false })).toEqual([
    "CRD x.example.com is established",
    "all nodes are Ready",
    "there is a default StorageClass",
    "CephCluster rook-ceph/rook-ceph is Ready with 3 OSDs",
  ]);
});

describe("a change", () => {
  const bound = bind(seed);
  const pulumis = { owner: "pulumi", status: "deployed", revision: 1, generations: {} } as const;
  const mine = { ...pulumis, adopted: false, restarted: [] };
  const flux = { ...mine, owner: "flux", status: "handed over" } as const;
  const base = { ...bound.check(toMap(wanted()), undefined).inputs };
  const adopter = { namespace: "apps", name: "demo", source: "apps.yaml:7" };
  const newer = { ...base, chart: { ...REPOSITORY, version: "2.0.0" } };
  const paths = (state: object, before: typeof base, after: typeof base): string[] => [
    ...bound.diff({ ...before, ...state }, before, after, []).keys(),
  ];

  test("of the chart counts until Flux has the release", () => {
    expect(paths(mine, base, newer)).toEqual(["chart.version"]);
    const adopted = [
      { ...base, adopter },
      { ...newer, adopter: { ...adopter, source: "apps.yaml:9" } },
    ] as const;
    expect(paths(mine, ...adopted)).toContain("chart.version");
    expect(paths(flux, ...adopted)).toEqual([]);
  });

  test("of what the site states counts also then, so that it is answered", () => {
    expect(paths(flux, base, newer)).toEqual(["chart.version"]);
  });

  test("of limits, gates and lines in the tree is none", () => {
    const moved = { ...adopter, source: "other.yaml:1" };
    const after = { ...base, timeoutSeconds: 7, adopter: moved };
    expect(paths(mine, { ...base, adopter }, after)).toEqual([]);
  });

  test.each([
    ["deployed", []],
    ["handed over", []],
    ["changed", ["status"]],
    ["pending", ["status"]],
    ["failed", ["status"]],
  ])("by somebody else: %s", (status, expected) => {
    expect(paths({ ...mine, status }, base, base)).toEqual(expected);
  });
});
