/** HelmReleases of a tree as the releases that Helm installs before Flux. */
import { join } from "node:path";
import { readGitOps, repositoryOf } from "../../../../components/gitops/readGitOps";
import type { GitOpsModel } from "../../../../site/gitOpsModel";
import {
  FILES,
  RELEASE,
  REPOSITORY,
  edited,
  inSpec,
  lastRoot,
  onlyRelease,
  reading,
} from "./releaseTree";
import { removeTrees } from "./simpleTree";

afterAll(removeTrees);

test("a release as Flux would install it", async () => {
  const read = await onlyRelease(FILES);
  expect(read).toEqual({
    release: {
      releaseName: "cilium",
      namespace: "kube-system",
      storageNamespace: "kube-system",
      chart: {
        kind: "repository",
        url: "https://helm.cilium.io/",
        name: "cilium",
        version: "1.19.3",
      },
      values: '{"ipam":{"mode":"kubernetes"},"operator":{"replicas":1}}',
      adopter: {
        namespace: "kube-system",
        name: "cilium",
        source: `${lastRoot()}/cluster/release.yaml:1`,
      },
    },
    isSecret: false,
    dependsOn: [],
  });
});

describe("names", () => {
  test.each([
    ["releaseName: net", "net", "kube-system"],
    ["targetNamespace: net\n  storageNamespace: net", "net-cilium", "net"],
    ["targetNamespace: net\n  storageNamespace: net\n  releaseName: own", "own", "net"],
  ])("%j", async (text, releaseName, namespace) => {
    const { release } = await onlyRelease(inSpec(`  ${text}\n`));
    expect(release).toMatchObject({ releaseName, namespace, storageNamespace: namespace });
  });
});

describe("charts", () => {
  const oci = REPOSITORY.replace("spec:", "spec:\n  type: oci").replace(
    "https://helm.cilium.io/",
    "oci://ghcr.io/charts/",
  );
  const reference = `  chartRef: { kind: OCIRepository, name: cilium, namespace: sources }\n`;
  const withoutChart = (text: string) => RELEASE.replace(/ {2}chart:\n( {4}.*\n)+/, text);
  const ociRepository = (ref: string): string =>
    "apiVersion: source.toolkit.fluxcd.io/v1\nkind: OCIRepository\n" +
    "metadata: { name: cilium, namespace: sources }\n" +
    `spec: { url: "oci://ghcr.io/charts/cilium", ref: ${ref} }\n`;

  test("of a repository of type oci", async () => {
    const { release } = await onlyRelease({ ...FILES, "cluster/repository.yaml": oci });
    expect(release.chart).toEqual({
      kind: "oci",
      url: "oci://ghcr.io/charts/cilium",
      version: "1.19.3",
    });
  });

  test("of an OCIRepository", async () => {
    const { release } = await onlyRelease({
      "cluster/release.yaml": withoutChart(reference),
      "cluster/oci.yaml": ociRepository("{ tag: 1.19.3 }"),
    });
    expect(release.chart).toEqual({
      kind: "oci",
      url: "oci://ghcr.io/charts/cilium",
      version: "1.19.3",
    });
  });

  test.each(["{ semver: 1.x }", "{ tag: latest }", '{ digest: "sha256:00" }', "{}"])(
    "an OCIRepository at %s is refused",
    async (ref) => {
      const files = {
        "cluster/release.yaml": withoutChart(reference),
        "cluster/oci.yaml": ociRepository(ref),
      };
      await expect(reading(files)).rejects.toThrow(
        /release\.yaml:8 HelmRelease kube-system\/cilium: .*is no version of a chart; pin/,
      );
    },
  );

  const path = edited(
    "chart: cilium\n      version: 1.19.3\n      sourceRef:\n        kind: HelmRepository\n" +
      "        name: cilium",
    "chart: ./charts/cilium\n      sourceRef:\n        kind: GitRepository\n" +
      "        name: flux-system\n        namespace: flux-system",
  );

  test("of a path of the repository", async () => {
    const { release } = await onlyRelease({
      ...path,
      "charts/cilium/Chart.yaml": "name: cilium\nversion: 0.1.0\n",
    });
    expect(release.chart).toEqual({
      kind: "path",
      path: `${lastRoot()}/charts/cilium`,
      name: "cilium",
      version: "0.1.0",
    });
  });

  test("a path without a chart, and one without its dependencies", async () => {
    await expect(reading(path)).rejects.toThrow(/release\.yaml:10 .*has no Chart\.yaml/);
    const chart = "name: a\nversion: 1.0.0\ndependencies: [{ name: b }]\n";
    await expect(reading({ ...path, "charts/cilium/Chart.yaml": chart })).rejects.toThrow(
      "the chart's dependencies are not beside it; commit what `helm dependency build",
    );
  });
});

describe("several releases of a seed", () => {
  const named = (name: string, dependsOn = ""): string =>
    RELEASE.replace("name: cilium", `name: ${name}`).replace("spec:\n", `spec:\n${dependsOn}`);

  test("are installed after those that they depend on", async () => {
    const files = {
      "cluster/repository.yaml": REPOSITORY,
      "cluster/b.yaml": named("b", "  dependsOn: [{ name: c }, { name: elsewhere }]\n"),
      "cluster/a.yaml": named("a"),
      "cluster/c.yaml": named("c"),
    };
    const helmReleases = ["a", "b", "c"].map((name) => ({ namespace: "kube-system", name }));
    const { seeds } = await reading(files, { helmReleases });
    expect(seeds[0]?.releases.map(({ release }) => release.releaseName)).toEqual(["a", "c", "b"]);
  });
});

test("releases that the site states", async () => {
  const chart = { repository: "oci://ghcr.io/charts/", name: "gitea", version: "12.4.0" };
  const stated = { chart, namespace: "gitea", releaseName: "git", values: { b: [1], a: null } };
  const model: GitOpsModel = {
    branch: "main",
    settings: {},
    seeds: [
      { name: "gitea", helmReleases: [], releases: [stated], timeoutSeconds: 60, node: "kw1" },
    ],
  };
  expect(await readGitOps(model)).toEqual({
    seeds: [
      {
        name: "gitea",
        timeoutSeconds: 60,
        node: "kw1",
        releases: [
          {
            release: {
              releaseName: "git",
              namespace: "gitea",
              storageNamespace: "gitea",
              chart: { kind: "oci", url: "oci://ghcr.io/charts/gitea", version: "12.4.0" },
              values: '{"a":null,"b":[1]}',
            },
            isSecret: false,
            dependsOn: [],
          },
        ],
      },
    ],
  });
});

test("the path of the root Kustomization starts at the root of the repository", async () => {
  const { repository } = await reading(FILES);
  expect(repository).toEqual({ directory: lastRoot(), path: "cluster" });
  const checkout = process.cwd();
  const tree = { directory: join(checkout, "templates/site/gitops"), path: "clusters/prod" };
  expect(repositoryOf(tree)).toEqual({
    directory: checkout,
    path: "templates/site/gitops/clusters/prod",
  });
});
