/** The add-ons and the GitOps tree of the normalised site. Pure data. */
import type { SeedName } from "../contract/gitops";

/** An object of Kubernetes by its names. */
export interface NamespacedName {
  namespace: string;
  name: string;
}

export interface ChartModel {
  /** https://..., http://... or oci://... */
  repository: string;
  name: string;
  /** One version. */
  version: string;
}

/** A release that the site states by itself. */
export interface ReleaseModel {
  chart: ChartModel;
  namespace: string;
  releaseName: string;
  values: Record<string, unknown>;
}

export interface SeedModel {
  name: SeedName;
  /** HelmReleases of the tree. Empty if the site states the releases. */
  helmReleases: NamespacedName[];
  /** Empty if the tree has the HelmReleases. */
  releases: ReleaseModel[];
  /** Time limit until it is ready, from its installation. */
  timeoutSeconds: number;
  /** How many OSDs must be up. Only for rookCeph. */
  osds?: number;
  /** The worker that has the volume. Only for gitea, which always has it. */
  node?: string;
}

export interface TreeModel {
  /** Absolute path of the tree. */
  directory: string;
  /** What Flux applies: a directory in the tree, relative to it. */
  path: string;
}

export interface GitOpsModel {
  /** Absent: the site states all add-ons by itself. */
  tree?: TreeModel;
  branch: string;
  /** In the Gitea of the cluster. Absent: nothing is pushed. */
  repository?: { owner: string; name: string };
  /** Data of the ConfigMap flux-system/cluster-settings, with CLUSTER_NAME. */
  settings: Record<string, string>;
  /** Absent: Flux is not installed. */
  flux?: {
    /** File in the tree with Flux's manifests, relative to the tree. */
    manifests: string;
  };
  /** The seeds that are not skipped, in the order of SEED_NAMES. */
  seeds: SeedModel[];
}
