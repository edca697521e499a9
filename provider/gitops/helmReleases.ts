/** What the provider reads of Flux's objects. Pure. */
import { createHash } from "node:crypto";
import { z } from "zod";
import type { KubeObject } from "../cluster/kube/objectClient";

export const HELM_RELEASES = "/apis/helm.toolkit.fluxcd.io/v2/helmreleases";

const helmRelease = z.object({
  spec: z
    .object({
      releaseName: z.string().default(""),
      targetNamespace: z.string().default(""),
      storageNamespace: z.string().default(""),
      suspend: z.boolean().default(false),
    })
    .prefault({}),
  status: z
    .object({
      history: z
        .array(
          z.object({
            name: z.string(),
            namespace: z.string(),
            version: z.number(),
            status: z.string(),
          }),
        )
        .nullish(),
    })
    .nullish(),
});

/** A HelmRelease, with the names that helm-controller derives (api/v2/helmrelease_types.go). */
export interface HelmRelease {
  namespace: string;
  name: string;
  releaseName: string;
  storageNamespace: string;
  isSuspended: boolean;
  /** Revisions that helm-controller made and that it did not fail to make, the latest first. */
  revisions: number[];
}

export function helmReleaseOf(object: KubeObject): HelmRelease {
  const { name, namespace } = object.metadata;
  const { spec, status } = helmRelease.parse(object);
  const { targetNamespace, storageNamespace } = spec;
  const made = (status?.history ?? []).filter((one) =>
    ["deployed", "superseded"].includes(one.status),
  );
  return {
    namespace,
    name,
    releaseName: shortened(spec.releaseName || [targetNamespace, name].filter(Boolean).join("-")),
    storageNamespace: storageNamespace || namespace,
    isSuspended: spec.suspend,
    revisions: made.map(({ version }) => version).sort((a, b) => b - a),
  };
}

const LONGEST = 53;
const HASH = 12;

/** As helm-controller's internal/release/name.go does it. */
function shortened(name: string): string {
  if (name.length <= LONGEST) return name;
  const hash = createHash("sha256").update(name).digest("hex").slice(0, HASH);
  return `${name.slice(0, LONGEST - HASH - 1)}-${hash}`;
}
