/** HelmReleases that could not adopt a seed, or that cannot be read, with file and line. */
import { FILES, RELEASE, REPOSITORY, edited, inSpec, reading } from "./releaseTree";
import type { Files } from "./releaseTree";
import { removeTrees } from "./simpleTree";

afterAll(removeTrees);

describe("refused", () => {
  const at = (line: number, what: string): string =>
    `cluster/release.yaml:${line} HelmRelease kube-system/cilium: ${what}`;

  test.each<[string, Files, string]>([
    [
      "records in another namespace",
      inSpec("  targetNamespace: net\n"),
      at(7, "Helm would keep its records in net, where it installs, and Flux in kube-system; so"),
    ],
    [
      "a name that is too long",
      inSpec(`  targetNamespace: net\n  storageNamespace: net\n  releaseName: ${"x".repeat(54)}\n`),
      at(9, "the name of its release has more than 53 characters"),
    ],
    [
      "postRenderers",
      inSpec("  postRenderers:\n    - kustomize: { patches: [] }\n"),
      at(7, "postRenderers change the manifests after Helm has rendered them; state the same"),
    ],
    ["suspended", inSpec("  suspend: true\n"), at(7, "it is suspended")],
    [
      "another cluster",
      inSpec("  kubeConfig: { secretRef: { name: a } }\n"),
      at(7, "it is for another cluster"),
    ],
    [
      "without CRDs",
      inSpec("  install: { crds: Skip }\n"),
      at(7, "it leaves out the CRDs of the chart"),
    ],
    [
      "applied client-side",
      inSpec("  upgrade:\n    serverSideApply: disabled\n"),
      at(8, "Flux would apply the release client-side"),
    ],
    [
      "an old API",
      edited("fluxcd.io/v2", "fluxcd.io/v2beta2"),
      at(1, "helm.toolkit.fluxcd.io/v2b"),
    ],
    [
      "a range of versions",
      edited("version: 1.19.3", "version: 1.19.x"),
      at(11, "1.19.x is a range of versions; pin one version of cilium"),
    ],
    ["no version", edited("      version: 1.19.3\n", ""), at(9, "the chart has no version; pin")],
    [
      "files of values",
      edited("      version: 1.19.3\n", "      version: 1.19.3\n      valuesFiles: [a.yaml]\n"),
      at(12, "valuesFiles of the chart are not read"),
    ],
    [
      "a source that is not in the tree",
      { "cluster/release.yaml": RELEASE },
      at(12, "HelmRepository kube-system/cilium is not in the tree; add it"),
    ],
    [
      "a bucket",
      edited("kind: HelmRepository", "kind: Bucket"),
      at(13, "charts of kind Bucket cannot be seeded"),
    ],
    [
      "a login",
      { ...FILES, "cluster/repository.yaml": `${REPOSITORY}  secretRef: { name: login }\n` },
      "cluster/repository.yaml:6 HelmRepository kube-system/cilium: charts behind a login",
    ],
  ])("%s", async (_, files, message) => {
    await expect(reading(files)).rejects.toThrow(message);
  });

  test("all at once", async () => {
    const files = inSpec("  suspend: true\n  postRenderers: [{ kustomize: {} }]\n");
    const broken = { "cluster/release.yaml": files["cluster/release.yaml"] ?? "" };
    await expect(reading(broken)).rejects.toThrow(
      /:\n.*postRend.*\n.*suspend.*\n.*not in the tree/,
    );
  });

  test("a HelmRelease that the tree does not have", async () => {
    const wanted = { helmReleases: [{ namespace: "kube-system", name: "cillium" }] };
    const kustomization =
      "apiVersion: kustomize.toolkit.fluxcd.io/v1\nkind: Kustomization\n" +
      "metadata: { name: apps, namespace: flux-system }\n" +
      "spec: { path: ./none, sourceRef: { kind: GitRepository, name: flux-system } }\n";
    const files = { ...FILES, "cluster/apps.yaml": kustomization };
    await expect(reading(files, wanted)).rejects.toThrow(
      "gitops.seeds.cilium: the tree has no HelmRelease kube-system/cillium; it has " +
        "kube-system/cilium. These Kustomizations were not read: flux-system/apps (spec.path " +
        "none is no directory of the tree that Git would commit)",
    );
  });

  test("a HelmRelease for Gitea", async () => {
    const release = {
      chart: { repository: "https://dl.gitea.com/charts", name: "gitea", version: "12.4.0" },
      namespace: "gitea",
      releaseName: "gitea",
      values: {},
    };
    const inTree = RELEASE.replace("cilium", "gitea").replace("kube-system", "gitea");
    const wanted = { name: "gitea" as const, helmReleases: [], releases: [release] };
    await expect(reading({ "cluster/gitea.yaml": inTree }, wanted)).rejects.toThrow(
      "cluster/gitea.yaml:1 HelmRelease gitea/gitea: Gitea stays with Pulumi",
    );
  });
});
