/** What Flux's objects say about themselves. Pure. */
import { z } from "zod";

const condition = z.looseObject({
  type: z.string(),
  status: z.string(),
  reason: z.string().default(""),
  message: z.string().default(""),
});

/** A GitRepository or a Kustomization: what both have. */
export const fluxObject = z.looseObject({
  metadata: z.looseObject({ generation: z.number().default(0) }),
  spec: z.looseObject({ suspend: z.boolean().default(false) }).prefault({}),
  status: z
    .looseObject({
      observedGeneration: z.number().default(-1),
      lastHandledReconcileAt: z.string().default(""),
      conditions: z.array(condition).default([]),
      /** Of a GitRepository. */
      artifact: z.looseObject({ revision: z.string() }).optional(),
      /** Of a Kustomization. */
      lastAppliedRevision: z.string().default(""),
    })
    .prefault({}),
});
export type FluxObject = z.infer<typeof fluxObject>;

/** `main@sha1:COMMIT` -> COMMIT. */
export const commitIn = (revision: string): string => revision.replace(/^.*:/, "");

/** Undefined: it has handled the request and is Ready. Else what it waits for. */
export function unready(object: FluxObject, requestedAt: string): string | undefined {
  const { metadata, status } = object;
  const ready = status.conditions.find(({ type }) => type === "Ready");
  const said = ready === undefined ? "no condition Ready" : `${ready.reason}: ${ready.message}`;
  if (status.lastHandledReconcileAt !== requestedAt) return `not reconciled yet (${said})`;
  if (status.observedGeneration !== metadata.generation) return `not observed yet (${said})`;
  return ready?.status === "True" ? undefined : said;
}

/** Labels of objects that a controller of Flux applies. */
export const FLUX_LABELS = [
  "kustomize.toolkit.fluxcd.io/name",
  "helm.toolkit.fluxcd.io/name",
  "fluxcd.controlplane.io/name",
  "resourceset.fluxcd.controlplane.io/name",
] as const;

export function isOwnedByFlux(labels: Readonly<Record<string, string>>): boolean {
  return FLUX_LABELS.some((label) => labels[label] !== undefined);
}
