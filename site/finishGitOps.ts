/** `gitops` of a draft that has no issues. Pure. */
import type { GitOpsDraft, ReleaseDraft, SeedDraft } from "./draft";
import type { GitOpsModel, NamespacedName, ReleaseModel, SeedModel } from "./gitOpsModel";
import { certain } from "./value";

/**
 * Flux substitutes nothing, not even defaults, unless there is a variable. So there always is the
 * name of the cluster.
 */
export function finishGitOps(draft: GitOpsDraft, cluster: string): GitOpsModel {
  const { tree, root, branch, repository, settings, manifests, hasFlux } = draft;
  const [owner = "", name = ""] = repository.value?.split("/") ?? [];
  return {
    ...(tree.stated.value !== undefined && {
      tree: { directory: tree.absolute, path: plain(certain(root.stated)) },
    }),
    branch,
    ...(repository.value !== undefined && { repository: { owner, name } }),
    settings: { CLUSTER_NAME: cluster, ...settings },
    ...(hasFlux && { flux: { manifests: plain(certain(manifests.stated)) } }),
    seeds: draft.seeds.filter(({ skip }) => !skip).map(seedOf),
  };
}

function seedOf({
  name,
  helmReleases,
  releases,
  timeoutSeconds,
  osds,
  node,
}: SeedDraft): SeedModel {
  return {
    name,
    helmReleases: helmReleases.map(({ text }) => namespacedName(text)),
    releases: releases.map(releaseOf),
    timeoutSeconds,
    ...(osds !== undefined && { osds }),
    ...(node.value !== undefined && { node: node.value }),
  };
}

function releaseOf({ chart, namespace, releaseName, values }: ReleaseDraft): ReleaseModel {
  const { repository, name, version } = chart;
  return {
    chart: { repository: certain(repository), name: certain(name), version: certain(version) },
    namespace,
    releaseName,
    values,
  };
}

function namespacedName(text: string): NamespacedName {
  const [namespace = "", name = ""] = text.split("/");
  return { namespace, name };
}

/** `./a//b/` is `a/b`. */
function plain(path: string): string {
  const parts = path.split("/").filter((part) => part !== "" && part !== ".");
  return parts.join("/");
}
