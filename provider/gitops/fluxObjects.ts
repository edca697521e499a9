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

export const deployment = z.looseObject({
  metadata: z.looseObject({
    name: z.string(),
    generation: z.number().default(0),
    labels: z.record(z.string(), z.string()).default({}),
    annotations: z.record(z.string(), z.string()).default({}),
  }),
  spec: z.looseObject({ replicas: z.number().default(1) }),
  status: z
    .looseObject({
      observedGeneration: z.number().default(-1),
      availableReplicas: z.number().default(0),
      updatedReplicas: z.number().default(0),
      conditions: z.array(condition).default([]),
    })
    .prefault({}),
});
export type Deployment = z.infer<typeof deployment>;

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

export function isAvailable({ metadata, spec, status }: Deployment): boolean {
  return (
    status.observedGeneration >= metadata.generation &&
    status.updatedReplicas >= spec.replicas &&
    status.availableReplicas >= spec.replicas
  );
}
