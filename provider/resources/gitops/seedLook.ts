/** What the cluster shows of a seed: its release, its HelmRelease, and the proof of adoption. */
import { isLinkLost } from "../../errors";
import { translating } from "../../cluster/kube/failure";
import {
  parseManifests,
  restartedBetween,
  objectName,
  workloadNamed,
  workloadsIn,
} from "../../gitops/helm/manifests";
import type { Workload } from "../../gitops/helm/manifests";
import type { HelmRelease } from "../../gitops/helmReleases";
import type { Release } from "../../gitops/helm/release";
import type { Context } from "../../resource";
import { helmReleaseFor, releaseKey, statusOf } from "./seedState";
import type { Inputs, Observed, State } from "./seedState";

/** `again`: not what other seeds of this pass have seen. */
export async function lookAt(
  context: Context,
  wanted: Inputs,
  { again = false } = {},
): Promise<Observed> {
  const gitOps = context.pool.gitOps();
  const { releaseName, storageNamespace } = wanted;
  return translating(wanted.releaseName, wanted.cluster, async () => {
    const seen = await (again ? gitOps.observeAgain(context) : gitOps.observe(context));
    const made = seen.made.get(releaseKey(wanted));
    return {
      release: made ?? (await gitOps.find(context, storageNamespace, releaseName)),
      helmRelease: helmReleaseFor(wanted, seen),
    };
  });
}

/** Undefined: the cluster does not exist yet, or does not answer. */
export async function lookIfPossible(
  context: Context,
  wanted: Inputs,
): Promise<Observed | undefined> {
  try {
    return await lookAt(context, wanted);
  } catch (error) {
    if (isLinkLost(error)) return undefined;
    throw error;
  }
}

/** Undefined: there is neither a release nor a HelmRelease for it. */
export async function stateOf(
  context: Context,
  wanted: Inputs,
  { release, helmRelease }: Observed,
  recorded: State | undefined,
): Promise<State | undefined> {
  const isHandedOver = helmRelease !== undefined || recorded?.owner === "flux";
  if (release === undefined && helmRelease === undefined) return undefined;
  const { revision = 0, generations = {} } = recorded ?? {};
  if (isHandedOver) {
    const base = { owner: "flux", status: "handed over", revision, generations } as const;
    return { ...base, ...(await adoptionOf(context, wanted, helmRelease, recorded)) };
  }
  if (release === undefined) return undefined;
  const status = statusOf(wanted, release);
  const own = { owner: "pulumi", status, revision: release.revision, generations } as const;
  return { ...own, adopted: false, restarted: [] };
}

/** It is proved once: later Flux has its own reasons to restart something. */
async function adoptionOf(
  context: Context,
  wanted: Inputs,
  helmRelease: HelmRelease | undefined,
  recorded: State | undefined,
): Promise<Pick<State, "adopted" | "restarted">> {
  if (recorded?.adopted === true) return { adopted: true, restarted: recorded.restarted };
  const { revision = 0, generations = {} } = recorded ?? {};
  const latest = helmRelease?.revisions[0] ?? 0;
  if (latest <= revision) return { adopted: false, restarted: [] };
  const isFirst = latest === revision + 1;
  const restarted = await translating(wanted.releaseName, wanted.cluster, () =>
    isFirst
      ? changedSince(context, generations)
      : restartedByRevision(context, wanted, revision + 1),
  );
  return { adopted: true, restarted };
}

/** Workloads that were changed after Pulumi's last change. */
async function changedSince(
  context: Context,
  generations: State["generations"],
): Promise<string[]> {
  const now = await generationsOf(context, Object.keys(generations).map(workloadNamed));
  return Object.keys(generations).filter((name) => now[name] !== generations[name]);
}

/** By the records of both revisions. A record that was pruned proves nothing. */
async function restartedByRevision(
  context: Context,
  { storageNamespace, releaseName, namespace }: Inputs,
  revision: number,
): Promise<string[]> {
  const gitOps = context.pool.gitOps();
  const [before, after] = await Promise.all(
    [revision - 1, revision].map((one) =>
      gitOps.record(context, storageNamespace, releaseName, one),
    ),
  );
  if (before === undefined || after === undefined) return [];
  const [old, current] = await Promise.all([
    parseManifests(before.manifest, namespace),
    parseManifests(after.manifest, namespace),
  ]);
  return restartedBetween(old, current);
}

export async function workloadsOf(
  { manifest }: Release,
  { namespace }: Inputs,
): Promise<Workload[]> {
  return workloadsIn(await parseManifests(manifest, namespace));
}

export async function generationsOf(
  context: Context,
  workloads: readonly Workload[],
): Promise<State["generations"]> {
  const objects = context.pool.gitOps().cluster.objects(context);
  const entries = await Promise.all(
    workloads.map(async (workload): Promise<[string, number][]> => {
      const object = await objects.get(workload.path);
      return object === undefined ? [] : [[objectName(workload), object.metadata.generation]];
    }),
  );
  return Object.fromEntries(entries.flat());
}
