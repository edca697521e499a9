/** `gitops` of the site file with its defaults. Pure. */
import { join } from "node:path";
import { SEED_NAMES } from "../contract/gitops";
import type { SeedName } from "../contract/gitops";
import type { GitOpsDraft, PlaceDraft, ReleaseDraft, SeedDraft } from "./draft";
import type { GitOpsFile, ReleaseFile, SeedFile } from "./gitOpsSchema";
import type { Path } from "./issues";
import type { Paths } from "./normalise";
import type { FaultyPaths } from "./siteFile";
import { firstOf, levelOf, seconds } from "./value";
import type { Value } from "./value";

const DEFAULT_BRANCH = "main";
const DEFAULT_TIMEOUT_SECONDS = 15 * 60;

/** Where the charts' own documentation installs them. */
const DEFAULT_NAMESPACES: Readonly<Record<SeedName, string>> = {
  cilium: "kube-system",
  openebs: "openebs",
  rookCeph: "rook-ceph",
  gitea: "gitea",
};

/** The keys of a seed that say what is installed. A right seed states one of them. */
export const WAYS = ["skip", "helmRelease", "helmReleases", "chart", "releases"] as const;

const OF_CHART = ["namespace", "releaseName", "values"] as const;

export function normaliseGitOps(
  file: GitOpsFile,
  isFaulty: FaultyPaths,
  paths: Paths,
): GitOpsDraft {
  const path: Path = ["gitops"];
  const stated = <T>(keys: readonly string[], value: T | undefined): Value<T> =>
    firstOf([...path, ...keys], [levelOf(isFaulty, [...path, ...keys], value)]);
  const place = (value: Value<string>, absolute: string | undefined): PlaceDraft => ({
    stated: value,
    absolute: absolute ?? "",
    kind: absolute === undefined ? "none" : paths.kindOf(absolute),
  });
  const tree = file.tree === undefined ? undefined : paths.file(file.tree);
  const inTree = (name: string | undefined): string | undefined =>
    tree === undefined || name === undefined ? undefined : join(tree, name);
  return {
    path,
    tree: place(stated(["tree"], file.tree), tree),
    root: place(stated(["path"], file.path), inTree(file.path)),
    branch: file.branch ?? DEFAULT_BRANCH,
    repository: stated(["repository"], file.repository),
    settings: file.settings ?? {},
    hasFlux: file.flux !== undefined,
    manifests: place(
      stated(["flux", "manifests"], file.flux?.manifests),
      inTree(file.flux?.manifests),
    ),
    seeds: SEED_NAMES.flatMap((name) => {
      const seed = file.seeds?.[name];
      return seed === undefined ? [] : [seedOf(name, seed, isFaulty)];
    }),
  };
}

function seedOf(name: SeedName, file: SeedFile, isFaulty: FaultyPaths): SeedDraft {
  const path = ["gitops", "seeds", name];
  const has = (key: keyof SeedFile): boolean => file[key] !== undefined || isFaulty([...path, key]);
  const { osds, skip = false } = file;
  return {
    path,
    name,
    skip,
    ways: WAYS.filter((key) => has(key) && !(key === "skip" && file.skip === false)),
    helmReleases: [
      ...(file.helmRelease === undefined
        ? []
        : [{ path: [...path, "helmRelease"], text: file.helmRelease }]),
      ...(file.helmReleases ?? []).map((text, index) => ({
        path: [...path, "helmReleases", index],
        text,
      })),
    ],
    releases: [
      ...(file.chart === undefined ? [] : [releaseOf(name, path, file, isFaulty)]),
      ...(file.releases ?? []).map((release, index) =>
        releaseOf(name, [...path, "releases", index], release, isFaulty),
      ),
    ],
    ofChart: OF_CHART.filter((key) => file[key] !== undefined),
    timeoutSeconds: seconds(file.timeout, DEFAULT_TIMEOUT_SECONDS),
    ...(osds !== undefined && { osds }),
    node: firstOf([...path, "node"], [levelOf(isFaulty, [...path, "node"], file.node)]),
  };
}

function releaseOf(
  seed: SeedName,
  path: Path,
  { chart, namespace, releaseName, values }: ReleaseFile,
  isFaulty: FaultyPaths,
): ReleaseDraft {
  const stated = (key: string, value: string | undefined): Value<string> =>
    firstOf([...path, "chart", key], [levelOf(isFaulty, [...path, "chart", key], value)]);
  return {
    chart: {
      repository: stated("repository", chart?.repository),
      name: stated("name", chart?.name),
      version: stated("version", chart?.version),
    },
    namespace: namespace ?? DEFAULT_NAMESPACES[seed],
    releaseName: releaseName ?? chart?.name ?? "",
    values: values ?? {},
  };
}
