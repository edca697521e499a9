/**
 * The objects by which Pulumi hands a cluster over to Flux, as far as the tree's reader and the
 * components must agree on them. Pure.
 */

export const FLUX_NAMESPACE = "flux-system";

/** Name of the GitRepository and of the root Kustomization, as `flux bootstrap` chooses it. */
export const FLUX_SYNC = "flux-system";

export const AGE_SECRET = "sops-age";

/** For postBuild.substituteFrom of Kustomizations in flux-system. */
export const SETTINGS = {
  apiVersion: "v1",
  kind: "ConfigMap",
  metadata: { name: "cluster-settings", namespace: FLUX_NAMESPACE },
};
export const SECRETS = {
  apiVersion: "v1",
  kind: "Secret",
  metadata: { name: "cluster-secrets", namespace: FLUX_NAMESPACE },
};

/**
 * As `flux bootstrap` makes it, so without substitutions: the Kustomizations of the tree ask for
 * those. `path` is relative to the root of the Git repository. Without an age key there is no
 * Secret to decrypt with, and Flux would wait for it.
 */
export function rootKustomization(path: string, hasAgeKey: boolean) {
  return {
    apiVersion: "kustomize.toolkit.fluxcd.io/v1",
    kind: "Kustomization",
    metadata: { name: FLUX_SYNC, namespace: FLUX_NAMESPACE },
    spec: {
      interval: "10m",
      path: `./${path}`,
      prune: true,
      sourceRef: { kind: "GitRepository", name: FLUX_SYNC },
      ...(hasAgeKey && { decryption: { provider: "sops", secretRef: { name: AGE_SECRET } } }),
    },
  };
}
