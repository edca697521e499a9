/**
 * What the program tells the provider of the add-ons in the cluster. The program reads the GitOps
 * tree; the provider installs. It imports nothing. Pure.
 */

/** The add-ons that can be installed before Flux runs, in the order in which they are shown. */
export const SEED_NAMES = ["cilium", "openebs", "rookCeph", "gitea"] as const;
export type SeedName = (typeof SEED_NAMES)[number];

/** Where a chart comes from. */
export type SeedChart =
  | {
      kind: "repository";
      /** https://... of a Helm repository. */
      url: string;
      name: string;
      /** One version, never a range: what Flux would choose is chosen by the program. */
      version: string;
    }
  | {
      kind: "oci";
      /** oci://REGISTRY/PATH, without a tag. */
      url: string;
      version: string;
    }
  | {
      kind: "path";
      /** A directory in the GitOps tree: absolute, on the machine that runs Pulumi. */
      path: string;
      name: string;
      /** Of its Chart.yaml. */
      version: string;
    };

/** The HelmRelease that takes a seed over. */
export interface SeedAdopter {
  namespace: string;
  name: string;
  /** FILE:LINE in the GitOps tree. */
  source: string;
}

/** A Helm release as Flux would install it. */
export interface SeedRelease {
  releaseName: string;
  /** Of the release's objects. */
  namespace: string;
  /** Of Helm's records of the release. */
  storageNamespace: string;
  chart: SeedChart;
  /** JSON. A Pulumi secret if a part of it comes from a secret. */
  values: string;
  /** Absent: no HelmRelease in the tree, and the release stays with Pulumi. */
  adopter?: SeedAdopter;
}
