/**
 * The Helm releases of the cluster as the provider sees them: one per provider process. All Seeds
 * share what was observed, by two list calls.
 */
import type { ClusterAccess } from "../cluster/access";
import type { KubeObject } from "../cluster/kube/objectClient";
import { Shared } from "../hosts/wait/shared";
import { Wait } from "../hosts/wait/wait";
import type { Limits } from "../hosts/wait/wait";
import { HELM_RELEASES, helmReleaseOf } from "./helmReleases";
import type { HelmRelease } from "./helmReleases";
import { Helm } from "./helm/helm";
import { latest, recordPath, releaseOf } from "./helm/release";
import type { Release } from "./helm/release";
import { STACK_LABEL } from "./ownership";

const LOOK_MS = 120_000;

export interface Releases {
  /** The latest records of releases that a stack made, by `NAMESPACE/NAME` of the record. */
  made: ReadonlyMap<string, Release>;
  helmReleases: readonly HelmRelease[];
}

/** The cluster, as far as the add-ons need it. */
export type AddOnCluster = Pick<ClusterAccess, "config" | "identity" | "objects" | "stream">;

export class GitOps {
  readonly helm: Helm;
  private readonly seen: Shared<Releases>;

  constructor(
    readonly cluster: AddOnCluster,
    helm: string | undefined,
  ) {
    this.helm = new Helm(helm);
    this.seen = new Shared(cluster.config.name, LOOK_MS, (wait) => this.look(limitsOf(wait)));
  }

  /** Until `forget`. */
  observe(call: Limits): Promise<Releases> {
    return this.seen.join(new Wait(this.cluster.config.name, call));
  }

  observeAgain(call: Limits): Promise<Releases> {
    this.forget();
    return this.observe(call);
  }

  /** Drops what was observed: something was changed. */
  forget(): void {
    this.seen.forget();
  }

  /** The latest record of the release, also if no stack made it. */
  async find(call: Limits, namespace: string, name: string): Promise<Release | undefined> {
    const objects = this.cluster.objects(call);
    const path = `/api/v1/namespaces/${namespace}/secrets`;
    const listed = await objects.listMetadata(path, { labelSelector: `owner=helm,name=${name}` });
    const revision = latest(listed)?.metadata.labels["version"];
    return revision === undefined
      ? undefined
      : this.record(call, namespace, name, Number(revision));
  }

  /** Undefined: it was pruned, or cannot be read. */
  async record(
    call: Limits,
    namespace: string,
    name: string,
    revision: number,
  ): Promise<Release | undefined> {
    const secret = await this.cluster.objects(call).get(recordPath(namespace, name, revision));
    return secret && releaseOf(secret);
  }

  /** Records of former revisions are large, and nobody needs them here. */
  private async look(call: Limits): Promise<Releases> {
    const objects = this.cluster.objects(call);
    const [secrets, helmReleases] = await Promise.all([
      objects.list("/api/v1/secrets", {
        labelSelector: `owner=helm,${STACK_LABEL},status!=superseded`,
      }),
      objects.list(HELM_RELEASES),
    ]);
    return {
      made: latestByName(secrets),
      helmReleases: helmReleases.map(helmReleaseOf),
    };
  }
}

function latestByName(secrets: readonly KubeObject[]): Map<string, Release> {
  const keyOf = ({ metadata }: KubeObject): string =>
    `${metadata.namespace}/${metadata.labels["name"] ?? ""}`;
  const keys = [...new Set(secrets.map(keyOf))];
  return new Map(
    keys.flatMap((key): [string, Release][] => {
      const secret = latest(secrets.filter((one) => keyOf(one) === key));
      const release = secret && releaseOf(secret);
      return release === undefined ? [] : [[key, release]];
    }),
  );
}

const limitsOf = (wait: Wait): Limits => ({
  deadline: Date.now() + wait.millisecondsLeft(),
  signal: wait.signal,
});
