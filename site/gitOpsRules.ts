/** Rules about `gitops`: its tree, its repository and its seeds. Pure. */
import { isWorker } from "../contract/names";
import type {
  FileKind,
  GitOpsDraft,
  PlaceDraft,
  ReleaseDraft,
  SeedDraft,
  SiteDraft,
} from "./draft";
import { suggestion } from "./issues";
import type { Issue } from "./issues";
import { WAYS } from "./normaliseGitOps";

export function checkGitOps(site: SiteDraft): Issue[] {
  const { gitOps } = site;
  if (gitOps === undefined) return [];
  return [
    ...checkPresence(site, gitOps),
    ...checkTree(gitOps),
    ...checkHandOver(gitOps),
    ...gitOps.seeds.flatMap((seed) => checkSeed(site, gitOps, seed)),
  ];
}

function checkPresence({ cluster, clusterMap }: SiteDraft, { path }: GitOpsDraft): Issue[] {
  if (cluster !== undefined || clusterMap.isFaulty) return [];
  const what = "the site has no cluster";
  return [{ path, code: "missing", what, remedy: "state cluster, or remove gitops" }];
}

const isStated = ({ stated }: PlaceDraft): boolean => stated.value !== undefined || stated.isFaulty;

function checkTree({ tree, root, manifests, hasFlux }: GitOpsDraft): Issue[] {
  if (!isStated(tree)) {
    return [root, manifests].filter(isStated).map(({ stated: { path } }) => {
      const what = "is a path in the tree, but gitops.tree is missing";
      return { path, code: "missing", what, remedy: "state gitops.tree" };
    });
  }
  const isKnown = tree.kind === "directory";
  return [
    ...checkPlace(tree, "directory"),
    ...(isStated(root) ? [] : [missing(root, "state the directory that Flux applies")]),
    ...(hasFlux && !isStated(manifests) ? [missing(manifests, "state Flux's manifests")] : []),
    ...(isKnown ? [...checkPlace(root, "directory"), ...checkPlace(manifests, "file")] : []),
  ];
}

function missing({ stated: { path } }: PlaceDraft, remedy: string): Issue {
  return { path, code: "missing", what: "is missing", remedy };
}

function checkPlace({ stated, absolute, kind }: PlaceDraft, wanted: FileKind): Issue[] {
  if (stated.value === undefined || kind === wanted) return [];
  const what = kind === "none" ? `${absolute} does not exist` : `${absolute} is no ${wanted}`;
  return [{ path: stated.path, code: "unknown-reference", what, remedy: "correct the path" }];
}

/** Flux follows a repository in the Gitea of the cluster, so each of them requires the next. */
function checkHandOver({ path, tree, repository, hasFlux, seeds }: GitOpsDraft): Issue[] {
  const issues: Issue[] = [];
  if (hasFlux && repository.value === undefined && !repository.isFaulty) {
    const remedy = "state OWNER/NAME of the repository that Flux follows, or remove flux";
    issues.push({ path: [...path, "repository"], code: "missing", what: "is missing", remedy });
  }
  if (repository.value === undefined) return issues;
  if (!isStated(tree)) {
    const what = "there is no tree to push";
    const remedy = "state gitops.tree, or remove repository";
    issues.push({ path: repository.path, code: "inconsistent", what, remedy });
  }
  if (!seeds.some(({ name, skip }) => name === "gitea" && !skip)) {
    const what = "the site has no Gitea to push to";
    const remedy = "state gitops.seeds.gitea, or remove repository";
    issues.push({ path: repository.path, code: "inconsistent", what, remedy });
  }
  return issues;
}

function checkSeed(site: SiteDraft, gitOps: GitOpsDraft, seed: SeedDraft): Issue[] {
  return [
    ...checkWays(seed),
    ...checkHelmReleases(gitOps, seed),
    ...seed.releases.flatMap(checkRelease),
    ...(seed.name === "gitea" && !seed.skip ? checkGitea(site, seed) : []),
  ];
}

function checkWays({ path, ways, ofChart }: SeedDraft): Issue[] {
  const keys = WAYS.map((key) => (key === "skip" ? "skip: true" : key)).join(", ");
  const remedy = `state exactly one of ${keys}`;
  if (ways.length === 0) {
    return [{ path, code: "missing", what: "does not say what is installed", remedy }];
  }
  if (ways.length > 1) {
    return [{ path, code: "inconsistent", what: `states ${ways.join(" and ")}`, remedy }];
  }
  if (ways[0] === "chart") return [];
  return ofChart.map((key) => {
    const what = "goes with chart alone";
    return { path: [...path, key], code: "inconsistent", what, remedy: "remove it" };
  });
}

function checkHelmReleases({ tree }: GitOpsDraft, { name, helmReleases }: SeedDraft): Issue[] {
  return helmReleases.flatMap(({ path, text }, index): Issue[] => {
    if (name === "gitea") {
      const what = "Gitea stays with Pulumi: Flux cannot run the Git server that it reads from";
      const remedy = "state chart, and remove the HelmRelease from the tree";
      return [{ path, code: "unsupported", what, remedy }];
    }
    if (!isStated(tree)) {
      const what = "names a HelmRelease of the tree, but gitops.tree is missing";
      return [{ path, code: "missing", what, remedy: "state gitops.tree, or state chart" }];
    }
    if (helmReleases.findIndex((other) => other.text === text) === index) return [];
    const what = `${text} is there twice`;
    return [{ path, code: "not-unique", what, remedy: "keep one of the two" }];
  });
}

function checkRelease({ chart }: ReleaseDraft): Issue[] {
  return [chart.repository, chart.name, chart.version].flatMap(({ path, value, isFaulty }) => {
    if (value !== undefined || isFaulty) return [];
    return [{ path, code: "missing", what: "is missing", remedy: "state it (text)" }];
  });
}

/** Its volume is local to a node, so the node is chosen by the user and not by the scheduler. */
function checkGitea(site: SiteDraft, { node: { path, value, isFaulty } }: SeedDraft): Issue[] {
  const workers = site.vms.filter(({ role }) => isWorker(role.value)).map(({ name }) => name);
  if (value === undefined) {
    if (isFaulty) return [];
    const remedy = `state the worker that has Gitea's volume: ${workers.join(", ")}`;
    return [{ path, code: "missing", what: "is missing", remedy }];
  }
  const vm = site.vms.find(({ name }) => name === value);
  if (workers.includes(value) || vm?.role.isFaulty === true) return [];
  if (vm === undefined) {
    if (!site.knowsMembers) return [];
    const remedy = suggestion(value, workers);
    return [{ path, code: "unknown-reference", what: `there is no VM ${value}`, remedy }];
  }
  const what = `${value} is no worker`;
  const remedy = `state one of ${workers.join(", ")}`;
  return [{ path, code: "inconsistent", what, remedy }];
}
