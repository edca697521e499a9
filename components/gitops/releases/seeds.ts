/** The seeds of the site as releases: from the tree, or as the site states them. */
import type { SeedChart, SeedName, SeedRelease } from "../../../contract/gitops";
import type { NamespacedName, ReleaseModel, SeedModel } from "../../../site/gitOpsModel";
import { sortedJson } from "../tree/json";
import type { Json } from "../tree/json";
import type { TreeObject } from "../tree/objects";
import type { Tree } from "../tree/walk";
import type { Sources } from "./chart";
import { formatFault } from "./fault";
import type { Locate } from "./locate";
import { namesOf } from "./pins";
import { isHelmRelease, readRelease } from "./release";
import type { ReadRelease } from "./release";

/** A seed whose releases are known, in the order in which they are installed. */
export interface ReadSeed {
  name: SeedName;
  releases: ReadRelease[];
  timeoutSeconds: number;
  osds?: number;
  node?: string;
}

/** What the seeds are read from. */
export interface TreeContext extends Sources {
  tree: Tree;
  locate: Locate;
}

/** Absent: the site has no tree. */
export async function readSeeds(
  seeds: readonly SeedModel[],
  context: TreeContext | undefined,
): Promise<{ seeds: ReadSeed[]; faults: string[] }> {
  const faults: string[] = [];
  const read: ReadSeed[] = [];
  for (const { helmReleases, releases, ...seed } of seeds) {
    const key = `gitops.seeds.${seed.name}`;
    const stated = releases.map(statedRelease);
    const found = await Promise.all(helmReleases.map((wanted) => fromTree(context, key, wanted)));
    const all: Result[] = [...stated, ...found];
    faults.push(...all.flatMap((one) => ("faults" in one ? one.faults : [])));
    read.push({ ...seed, releases: inOrder(all.flatMap((one) => ("faults" in one ? [] : one))) });
  }
  if (context !== undefined) faults.push(...(await giteaFaults(context, read)));
  return { seeds: read, faults };
}

type Result = ReadRelease | { faults: string[] };

/** A release that stays with Pulumi, since no HelmRelease is for it. */
function statedRelease(stated: ReleaseModel): ReadRelease {
  const { namespace, releaseName, values } = stated;
  const release: SeedRelease = {
    releaseName,
    namespace,
    storageNamespace: namespace,
    chart: statedChart(stated),
    values: sortedJson(jsonOf(values)),
  };
  return { release, isSecret: false, dependsOn: [] };
}

function statedChart({ chart: { repository, name, version } }: ReleaseModel): SeedChart {
  return repository.startsWith("oci://")
    ? { kind: "oci", url: `${repository.replace(/\/+$/, "")}/${name}`, version }
    : { kind: "repository", url: repository, name, version };
}

/** What YAML has read, as JSON has it. */
function jsonOf(value: unknown): Json {
  if (Array.isArray(value)) return value.map(jsonOf);
  if (typeof value === "object" && value !== null) {
    return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, jsonOf(item)]));
  }
  return typeof value === "string" || typeof value === "boolean" || typeof value === "number"
    ? value
    : null;
}

async function fromTree(
  context: TreeContext | undefined,
  key: string,
  { namespace, name }: NamespacedName,
): Promise<Result> {
  if (context === undefined) throw new Error(`${key} has a HelmRelease, and the site no tree`);
  const { tree, locate } = context;
  const all = tree.objects.filter(isHelmRelease);
  const found = all.find((one) => one.namespace === namespace && one.name === name);
  if (found === undefined) {
    const has = all.map((one) => `${one.namespace}/${one.name}`).join(", ") || "none";
    const what = `the tree has no HelmRelease ${namespace}/${name}; it has ${has}`;
    return { faults: [`${key}: ${what}${unreadOf(tree)}`] };
  }
  const read = await readRelease(context, locate, found);
  return "faults" in read
    ? { faults: read.faults.map((fault) => formatFault(locate, fault)) }
    : read;
}

/** Kustomizations in which it may be. */
function unreadOf({ unread }: Tree): string {
  if (unread.length === 0) return "";
  const all = unread.map(({ kustomization, why }) => `${kustomization} (${why})`);
  return `. These Kustomizations were not read: ${all.join("; ")}`;
}

/** Each release after those of the same seed that it depends on; else as the site has them. */
export function inOrder(releases: readonly ReadRelease[]): ReadRelease[] {
  const ordered: ReadRelease[] = [];
  const place = (one: ReadRelease, above: readonly ReadRelease[]): void => {
    if (ordered.includes(one) || above.includes(one)) return;
    for (const other of releases) {
      if (one.dependsOn.includes(labelOf(other))) place(other, [...above, one]);
    }
    ordered.push(one);
  };
  for (const one of releases) place(one, []);
  return ordered;
}

function labelOf({ release: { adopter } }: ReadRelease): string {
  return adopter === undefined ? "" : `${adopter.namespace}/${adopter.name}`;
}

/** Flux cannot run the Git server that it reads from. */
async function giteaFaults(
  { tree, locate }: TreeContext,
  seeds: readonly ReadSeed[],
): Promise<string[]> {
  const gitea = seeds.find(({ name }) => name === "gitea")?.releases.map(({ release }) => release);
  if (gitea === undefined) return [];
  const releases = tree.objects.filter(isHelmRelease);
  const faults = await Promise.all(
    releases.map(async (object): Promise<string[]> => {
      const { releaseName, namespace } = await namesFor(object);
      const isIt = gitea.some(
        (own) => own.releaseName === releaseName && own.namespace === namespace,
      );
      if (!isIt) return [];
      const what = "Gitea stays with Pulumi: Flux cannot run the Git server that it reads from";
      const remedy = "remove this HelmRelease from the tree";
      return [formatFault(locate, { object, path: [], what, remedy })];
    }),
  );
  return faults.flat();
}

async function namesFor(release: TreeObject): Promise<{ releaseName: string; namespace: string }> {
  return namesOf(release, (await release.read()).object);
}
