/**
 * The kustomization.yaml that kustomize-controller builds: that of the directory, or a generated
 * one, with the fields of the Flux Kustomization (fluxcd/pkg kustomize_generator.go,
 * GenerateManifest). Pure.
 */
import { at, isMap, isTrueAt, listAt, mapAt, textAt, textsAt } from "./json";
import type { Json, JsonMap } from "./json";

const KUSTOMIZATION = { apiVersion: "kustomize.config.k8s.io/v1beta1", kind: "Kustomization" };
export const ORIGIN = "originAnnotations";

export interface Generated {
  kustomization: JsonMap;
  /** Flux too would annotate objects with their origin. */
  keepsOrigin: boolean;
}

/** `exists` is about paths relative to the directory. `own` is what the directory has, if any. */
export function generate(
  own: JsonMap | undefined,
  manifests: readonly string[],
  spec: JsonMap,
  exists: (path: string) => boolean,
): Generated {
  const base = own ?? generated(manifests);
  const kustomization: JsonMap = {
    ...KUSTOMIZATION,
    ...base,
    ...named("namespace", textAt(spec, "targetNamespace")),
    ...named("namePrefix", textAt(spec, "namePrefix")),
    ...named("nameSuffix", textAt(spec, "nameSuffix")),
    ...appended("patches", base, listAt(spec, "patches").map(patchOf)),
    ...appended("components", base, componentsOf(spec, exists)),
    ...imagesOf(base, spec),
  };
  const buildMetadata = buildMetadataOf(base, own !== undefined, spec);
  const keepsOrigin = buildMetadata.includes(ORIGIN);
  const all = keepsOrigin ? buildMetadata : [...buildMetadata, ORIGIN];
  return { kustomization: { ...kustomization, buildMetadata: all }, keepsOrigin };
}

/** Without anything in it, kustomize would refuse to build it. */
function generated(manifests: readonly string[]): JsonMap {
  return manifests.length === 0 ? { namespace: "_placeholder" } : { resources: [...manifests] };
}

function named(key: string, text: string): JsonMap {
  return text === "" ? {} : { [key]: text };
}

function appended(key: string, base: JsonMap, more: Json[]): JsonMap {
  return more.length === 0 ? {} : { [key]: [...listAt(base, key), ...more] };
}

const SELECTOR = [
  "group",
  "version",
  "kind",
  "name",
  "namespace",
  "labelSelector",
  "annotationSelector",
];

function patchOf(patch: Json): JsonMap {
  const target = at(patch, "target");
  const selector = SELECTOR.map((key): [string, Json] => [key, textAt(target, key)]);
  const stated = selector.filter(([, value]) => value !== "");
  return {
    patch: textAt(patch, "patch"),
    ...(isMap(target) && { target: Object.fromEntries(stated) }),
  };
}

function componentsOf(spec: JsonMap, exists: (path: string) => boolean): string[] {
  const ignoresMissing = isTrueAt(spec, "ignoreMissingComponents");
  return textsAt(spec, "components").filter((path) => !ignoresMissing || exists(path));
}

/** A tag or a digest replaces both; a new name alone keeps them. */
function imagesOf(base: JsonMap, spec: JsonMap): JsonMap {
  const images = listAt(base, "images").map((image) => ({ ...mapAt(image) }));
  for (const image of listAt(spec, "images")) {
    const name = textAt(image, "name");
    const newName = named("newName", textAt(image, "newName"));
    const tag = named("newTag", textAt(image, "newTag"));
    const version = { ...tag, ...named("digest", textAt(image, "digest")) };
    const known = images.find((one) => one["name"] === name);
    if (known === undefined) {
      images.push({ name, ...newName, ...version });
      continue;
    }
    if (Object.keys(version).length > 0) {
      delete known["newTag"];
      delete known["digest"];
    }
    Object.assign(known, newName, version);
  }
  return images.length === 0 ? {} : { images };
}

function buildMetadataOf(base: JsonMap, isOwn: boolean, spec: JsonMap): string[] {
  const stated = textsAt(spec, "buildMetadata");
  if (stated.length > 0) return stated;
  const isEmpty = listAt(base, "resources").length === 0;
  return isOwn && isEmpty ? [ORIGIN] : textsAt(base, "buildMetadata");
}
