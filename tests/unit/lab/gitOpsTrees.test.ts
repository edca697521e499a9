/** The GitOps trees of the lab and of the template: what the reader and Flux require of them. */
import { existsSync, readFileSync, readdirSync } from "node:fs";
import { join, resolve } from "node:path";
import { parseAllDocuments } from "yaml";
import { z } from "zod";

const CHECKOUT = resolve(__dirname, "..", "..", "..");
const LAB = join(CHECKOUT, "lab", "gitops");
const TEMPLATE = join(CHECKOUT, "templates", "site", "gitops");

const manifest = z.looseObject({
  kind: z.string(),
  metadata: z.looseObject({ name: z.string(), namespace: z.string().optional() }),
  spec: z.looseObject({}).optional(),
});
const release = z.strictObject({
  interval: z.string(),
  timeout: z.string().optional(),
  dependsOn: z.array(z.strictObject({ name: z.string() })).optional(),
  chart: z.strictObject({
    spec: z.strictObject({
      chart: z.string(),
      version: z.string().optional(),
      sourceRef: z.looseObject({ kind: z.string(), name: z.string() }),
    }),
  }),
  values: z.looseObject({}),
});
const kustomization = z.looseObject({ path: z.string() });

function manifests(directory: string): z.infer<typeof manifest>[] {
  const files = readdirSync(directory).filter((name) => name !== "kustomization.yaml");
  return files
    .filter((name) => name.endsWith(".yaml"))
    .flatMap((name) => parseAllDocuments(readFileSync(join(directory, name), "utf8")))
    .map((document) => manifest.parse(document.toJS()));
}

function releases(tree: string) {
  return manifests(join(tree, "infrastructure"))
    .filter(({ kind }) => kind === "HelmRelease")
    .map(({ metadata, spec }) => ({ ...metadata, ...release.parse(spec) }));
}

const NAMES = [
  "kube-system/cilium",
  "openebs/openebs",
  "rook-ceph/rook-ceph",
  "rook-ceph/rook-ceph-cluster",
];

test.each([LAB, TEMPLATE])("%s has the add-ons, as releases that can adopt a seed", (tree) => {
  // The strict schema has no targetNamespace, storageNamespace, releaseName or postRenderers.
  const found = releases(tree).map(({ namespace = "", name }) => `${namespace}/${name}`);
  expect(found.sort()).toEqual(NAMES);
});

test("the lab's releases use charts of the tree, which have the names of the real ones", () => {
  for (const { name, chart } of releases(LAB)) {
    const file = join(LAB, chart.spec.chart, "Chart.yaml");
    expect(readFileSync(file, "utf8")).toContain(`\nname: ${name}\n`);
  }
});

test("the template's releases have one version each, and a repository beside them", () => {
  const all = manifests(join(TEMPLATE, "infrastructure"));
  for (const { namespace, chart } of releases(TEMPLATE)) {
    expect(chart.spec.version).toMatch(/^v?\d+\.\d+\.\d+$/);
    const { kind, name } = chart.spec.sourceRef;
    const source = all.find(
      ({ kind: itsKind, metadata }) =>
        itsKind === kind && metadata.name === name && metadata.namespace === namespace,
    );
    expect(source).toBeDefined();
  }
});

test.each([
  [LAB, join(LAB, "clusters", "lab"), LAB],
  // Paths of Flux are relative to the user's repository.
  [TEMPLATE, join(TEMPLATE, "clusters", "prod"), join(TEMPLATE, "..")],
])("the paths of the Kustomizations of %s exist", (_, cluster, repository) => {
  const paths = manifests(cluster).map(({ spec }) => kustomization.parse(spec).path);
  expect(paths).toHaveLength(2);
  for (const path of paths) expect(existsSync(join(repository, path))).toBe(true);
});
