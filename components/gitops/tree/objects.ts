/** Objects of Kubernetes as the tree has them. Pure. */
import { at, isMap, mapAt, textAt, textMapAt } from "./json";
import type { JsonMap } from "./json";

export interface ObjectKey {
  kind: string;
  namespace: string;
  name: string;
}

/** Where an object comes from. */
export interface Origin {
  /** Relative to the root. Empty if kustomize does not say. */
  file: string;
  /** NAMESPACE/NAME of the Flux Kustomization that applies it. */
  kustomization: string;
}

export interface TreeObject extends ObjectKey {
  apiVersion: string;
  origin: Origin;
  /** As it is applied. An encrypted object is decrypted when it is read. */
  read: () => Promise<Content>;
}

export interface Content {
  object: JsonMap;
  /** A part of it comes from a secret. */
  isSecret: boolean;
}

export function keyOf(object: JsonMap): ObjectKey & { apiVersion: string } {
  return {
    apiVersion: textAt(object, "apiVersion"),
    kind: textAt(object, "kind"),
    namespace: textAt(object, "metadata", "namespace"),
    name: textAt(object, "metadata", "name"),
  };
}

export const isSame = (a: ObjectKey, b: ObjectKey): boolean =>
  a.kind === b.kind && a.namespace === b.namespace && a.name === b.name;

export const shown = ({ kind, namespace, name }: ObjectKey): string =>
  `${kind} ${namespace}/${name}`;

export const groupOf = ({ apiVersion }: { apiVersion: string }): string =>
  apiVersion.split("/")[0] ?? "";

export const FLUX_GROUPS = {
  kustomize: "kustomize.toolkit.fluxcd.io",
  source: "source.toolkit.fluxcd.io",
  helm: "helm.toolkit.fluxcd.io",
} as const;

/** Whether a label or an annotation has this value, whatever its case. */
export function isMarked(object: JsonMap, key: string, value: string): boolean {
  return ["labels", "annotations"].some(
    (map) => textAt(object, "metadata", map, key).toLowerCase() === value.toLowerCase(),
  );
}

/** What kustomize-controller does not apply, or does not change (apply, ExclusionSelector). */
export function isExcluded(object: JsonMap): boolean {
  const group = FLUX_GROUPS.kustomize;
  return (
    isMarked(object, `${group}/reconcile`, "disabled") || isMarked(object, `${group}/ssa`, "ignore")
  );
}

/** The labels and annotations that a Kustomization puts on each object (ssa SetCommonMetadata). */
export function withCommonMetadata(object: JsonMap, spec: JsonMap): JsonMap {
  const common = at(spec, "commonMetadata");
  if (!isMap(common)) return object;
  const merged = (key: string): JsonMap => {
    const added = textMapAt(common, key);
    if (Object.keys(added).length === 0) return {};
    return { [key]: { ...mapAt(object, "metadata", key), ...added } };
  };
  const metadata = { ...mapAt(object, "metadata"), ...merged("labels"), ...merged("annotations") };
  return { ...object, metadata };
}

/** Without an annotation, and without the map if that was all. */
export function withoutAnnotation(object: JsonMap, key: string): JsonMap {
  const annotations = Object.entries(mapAt(object, "metadata", "annotations"));
  const left = annotations.filter(([name]) => name !== key);
  const metadata = { ...mapAt(object, "metadata") };
  if (left.length === 0) delete metadata["annotations"];
  else metadata["annotations"] = Object.fromEntries(left);
  return { ...object, metadata };
}

/** The texts of a ConfigMap or a Secret. The API server moves stringData into data. */
export function dataOf(object: JsonMap): Record<string, string> {
  if (textAt(object, "kind") !== "Secret") return textMapAt(object, "data");
  const encoded = Object.entries(textMapAt(object, "data"));
  const decoded = encoded.map(([key, value]): [string, string] => [
    key,
    Buffer.from(value, "base64").toString(),
  ]);
  return { ...Object.fromEntries(decoded), ...textMapAt(object, "stringData") };
}
