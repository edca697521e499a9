/** `gitops`: its faults with file and line, and its model. */
import { join } from "node:path";
import { SiteError, formatIssue } from "../../../../site/issues";
import { parseSite } from "../../../../site/load";
import { SITE as CLUSTER } from "./cases";

const ROOT = join(__dirname, "..", "..", "..", "..");
const FILE = join(ROOT, "x.yaml");

/** Any directories and files do for the rules. */
const GITOPS = `gitops:
  tree: docs
  path: ./decisions/
  repository: platform/cluster
  settings: { REGION: eu }
  flux: { manifests: cluster.md }
  seeds:
    cilium: { helmRelease: kube-system/cilium, timeout: 10m }
    openebs: { skip: true }
    rookCeph: { helmReleases: [rook-ceph/rook-ceph, rook-ceph/cluster], osds: 3 }
    gitea:
      chart: { repository: https://dl.gitea.com/charts, name: gitea, version: "12.4.0" }
      values: { persistence: { size: 10Gi } }
      node: kw1
`;
const SITE = CLUSTER + GITOPS;

function faultsOf(text: string): string[] {
  try {
    parseSite(text, FILE);
    return [];
  } catch (error) {
    if (error instanceof SiteError) return error.issues.map(formatIssue);
    throw error;
  }
}

describe("the model", () => {
  test("has what the file states, and the defaults", () => {
    expect(parseSite(SITE, FILE).gitOps).toEqual({
      tree: { directory: join(ROOT, "docs"), path: "decisions" },
      branch: "main",
      repository: { owner: "platform", name: "cluster" },
      settings: { CLUSTER_NAME: "production", REGION: "eu" },
      flux: { manifests: "cluster.md" },
      seeds: [
        {
          name: "cilium",
          helmReleases: [{ namespace: "kube-system", name: "cilium" }],
          releases: [],
          timeoutSeconds: 600,
        },
        {
          name: "rookCeph",
          helmReleases: [
            { namespace: "rook-ceph", name: "rook-ceph" },
            { namespace: "rook-ceph", name: "cluster" },
          ],
          releases: [],
          timeoutSeconds: 900,
          osds: 3,
        },
        {
          name: "gitea",
          helmReleases: [],
          releases: [
            {
              chart: {
                repository: "https://dl.gitea.com/charts",
                name: "gitea",
                version: "12.4.0",
              },
              namespace: "gitea",
              releaseName: "gitea",
              values: { persistence: { size: "10Gi" } },
            },
          ],
          timeoutSeconds: 900,
          node: "kw1",
        },
      ],
    });
  });

  test("is absent without gitops", () => {
    expect(parseSite(CLUSTER, FILE).gitOps).toBeUndefined();
  });

  test("needs no tree", () => {
    const text = `${CLUSTER}gitops:
  seeds:
    rookCeph:
      releases:
        - chart: { repository: https://charts.rook.io/release, name: rook-ceph, version: v1.20.0 }
        - chart: { repository: oci://ghcr.io/rook, name: rook-ceph-cluster, version: v1.20.0 }
          releaseName: ceph
          namespace: ceph
`;
    const { gitOps } = parseSite(text, FILE);
    expect(gitOps?.tree).toBeUndefined();
    expect(gitOps?.seeds[0]?.releases.map((one) => [one.namespace, one.releaseName])).toEqual([
      ["rook-ceph", "rook-ceph"],
      ["ceph", "ceph"],
    ]);
  });
});

const without = (line: string) => (text: string) => text.replace(line, "");
const seed = (name: string, value: string) => (text: string) =>
  text.replace(new RegExp(`    ${name}: \\{.*\n`), `    ${name}: ${value}\n`);

type Case = [string, (site: string) => string, string];
const FAULTS: Case[] = [
  [
    "no cluster",
    (s) => s.replace(/cluster:\n(?: {2}.*\n)+/, "").replaceAll(/ {4}role: .*\n/g, ""),
    "gitops: the site has no cluster; state cluster, or remove gitops",
  ],
  [
    "a tree that does not exist",
    (s) => s.replace("tree: docs", "tree: nowhere"),
    `gitops.tree: ${ROOT}/nowhere does not exist; correct the path`,
  ],
  [
    "a path that does not exist",
    (s) => s.replace("./decisions/", "clusters/prod"),
    `gitops.path: ${ROOT}/docs/clusters/prod does not exist; correct the path`,
  ],
  [
    "a path to a file",
    (s) => s.replace("./decisions/", "cluster.md"),
    `gitops.path: ${ROOT}/docs/cluster.md is no directory`,
  ],
  [
    "a path out of the tree",
    (s) => s.replace("./decisions/", "../lab"),
    "gitops.path: contains '..'; write the path without '..'",
  ],
  ["a tree without a path", without("  path: ./decisions/\n"), "gitops.path: is missing; state"],
  [
    "a path without a tree",
    without("  tree: docs\n"),
    "gitops.path: is a path in the tree, but gitops.tree is missing; state gitops.tree",
  ],
  [
    "manifests that do not exist",
    (s) => s.replace("cluster.md", "gotk.yaml"),
    `gitops.flux.manifests: ${ROOT}/docs/gotk.yaml does not exist`,
  ],
  [
    "Flux without a repository",
    without("  repository: platform/cluster\n"),
    "gitops.repository: is missing; state OWNER/NAME of the repository that Flux follows",
  ],
  [
    "a repository that is none",
    (s) => s.replace("platform/cluster", "https://git.example.org/a/b"),
    "gitops.repository: is not a repository; write OWNER/NAME",
  ],
  [
    "a repository without Gitea",
    (s) => s.replace(/ {4}gitea:\n( {6}.*\n)+/, "    gitea: { skip: true }\n"),
    "gitops.repository: the site has no Gitea to push to; state gitops.seeds.gitea",
  ],
  [
    "a seed that says nothing",
    seed("cilium", "{ timeout: 5m }"),
    "gitops.seeds.cilium: does not say what is installed; state exactly one of skip: true, " +
      "helmRelease, helmReleases, chart, releases",
  ],
  [
    "a seed that says two things",
    seed("openebs", "{ skip: true, helmRelease: openebs/openebs }"),
    "gitops.seeds.openebs: states skip and helmRelease; state exactly one of",
  ],
  [
    "values beside a HelmRelease",
    seed("cilium", "{ helmRelease: kube-system/cilium, values: { a: 1 } }"),
    "gitops.seeds.cilium.values: goes with chart alone; remove it",
  ],
  [
    "a HelmRelease without namespace",
    seed("cilium", "{ helmRelease: cilium }"),
    "gitops.seeds.cilium.helmRelease: is not the namespace and the name of an object; write " +
      "NAMESPACE/NAME",
  ],
  [
    "a HelmRelease that is there twice",
    seed("rookCeph", "{ helmReleases: [rook/a, rook/a] }"),
    "gitops.seeds.rookCeph.helmReleases[1]: rook/a is there twice; keep one",
  ],
  [
    "a HelmRelease for Gitea",
    (s) => s.replace(/ {4}gitea:\n( {6}.*\n)+/, "    gitea: { helmRelease: a/b, node: kw1 }\n"),
    "gitops.seeds.gitea.helmRelease: Gitea stays with Pulumi",
  ],
  [
    "Gitea without a node",
    without("      node: kw1\n"),
    "gitops.seeds.gitea.node: is missing; state",
  ],
  [
    "Gitea on a controller",
    (s) => s.replace("node: kw1", "node: kc1"),
    "gitops.seeds.gitea.node: kc1 is no worker; state one of kw1, kw2",
  ],
  [
    "Gitea on a VM that does not exist",
    (s) => s.replace("node: kw1", "node: kw3"),
    "gitops.seeds.gitea.node: there is no VM kw3; did you mean kw1?",
  ],
  [
    "a range of versions of a chart",
    (s) => s.replace('version: "12.4.0"', 'version: "12.x"'),
    "gitops.seeds.gitea.chart.version: is not one version of a chart; pin one",
  ],
  [
    "a chart without version",
    (s) => s.replace(', version: "12.4.0"', ""),
    "gitops.seeds.gitea.chart.version: is missing; state it",
  ],
  [
    "a chart repository with a password",
    (s) => s.replace("https://dl.gitea", "https://user:secret@dl.gitea"),
    "gitops.seeds.gitea.chart.repository: is not the address of a chart repository",
  ],
  [
    "a setting that no variable can have",
    (s) => s.replace("REGION", "the-region"),
    "gitops.settings.the-region: is not the name of a variable",
  ],
  [
    "OSDs of another seed",
    seed("cilium", "{ helmRelease: kube-system/cilium, osds: 3 }"),
    "gitops.seeds.cilium.osds: unknown key",
  ],
];

describe("faults", () => {
  test("the site that the cases edit is right", () => {
    expect(faultsOf(SITE)).toEqual([]);
  });

  test.each(FAULTS)("%s", (_, edit, expected) => {
    const text = edit(SITE);
    expect(text).not.toBe(SITE);
    const faults = faultsOf(text);
    expect(faults.map((fault) => fault.replace(/^\S+x\.yaml:\d+:\d+ /, ""))).toEqual(
      expect.arrayContaining([expect.stringContaining(expected)]),
    );
    for (const fault of faults) expect(fault).toMatch(/x\.yaml:\d+:\d+ \S.*: .+; .+/);
  });
});
