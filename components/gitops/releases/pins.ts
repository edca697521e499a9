/**
 * Whether helm-controller can adopt what Helm installs before it: the names must agree, and nothing
 * may change the manifests after Helm has rendered them (helm-controller, state.go). Pure.
 */
import { at, isTrueAt, listAt, textAt } from "../tree/json";
import type { JsonMap } from "../tree/json";
import type { TreeObject } from "../tree/objects";
import type { Fault } from "./fault";

export interface Names {
  releaseName: string;
  namespace: string;
  storageNamespace: string;
}

/** GetReleaseName, GetReleaseNamespace and GetStorageNamespace of HelmRelease v2. */
export function namesOf({ namespace, name }: TreeObject, object: JsonMap): Names {
  const target = textAt(object, "spec", "targetNamespace");
  const composed = target === "" ? name : `${target}-${name}`;
  return {
    releaseName: textAt(object, "spec", "releaseName") || composed,
    namespace: target || namespace,
    storageNamespace: textAt(object, "spec", "storageNamespace") || namespace,
  };
}

/** Helm's limit. helm-controller shortens longer names and adds a hash. */
const MAX_RELEASE_NAME = 53;

export function pinFaults(release: TreeObject, object: JsonMap): Fault[] {
  const faults: Fault[] = [];
  const refuse = (key: string, what: string, remedy: string): void => {
    faults.push({ object: release, path: ["spec", ...key.split(".")], what, remedy });
  };
  const { releaseName, namespace, storageNamespace } = namesOf(release, object);
  if (release.apiVersion !== "helm.toolkit.fluxcd.io/v2") {
    const what = `${release.apiVersion} is not served by Flux 2.8 and newer`;
    const remedy = "write apiVersion: helm.toolkit.fluxcd.io/v2";
    faults.push({ object: release, path: ["apiVersion"], what, remedy });
  }
  if (releaseName.length > MAX_RELEASE_NAME) {
    const what = `the name of its release has more than ${MAX_RELEASE_NAME} characters`;
    refuse("releaseName", `${what}: ${releaseName}`, "state a shorter releaseName");
  }
  if (storageNamespace !== namespace) {
    const what =
      `Helm would keep its records in ${namespace}, where it installs, and Flux in ` +
      `${storageNamespace}; so Flux would install a second release`;
    refuse("targetNamespace", what, `state storageNamespace: ${namespace}`);
  }
  if (listAt(object, "spec", "postRenderers").length > 0) {
    const what = "postRenderers change the manifests after Helm has rendered them";
    refuse("postRenderers", what, "state the same by values of the chart, or skip the seed");
  }
  if (isTrueAt(object, "spec", "suspend")) {
    refuse("suspend", "it is suspended, so Flux would not adopt it", "remove suspend");
  }
  if (at(object, "spec", "kubeConfig") !== undefined) {
    refuse("kubeConfig", "it is for another cluster", "name a HelmRelease of this cluster");
  }
  const skipsCrds =
    isTrueAt(object, "spec", "install", "skipCRDs") ||
    textAt(object, "spec", "install", "crds") === "Skip";
  if (skipsCrds) {
    const remedy = "remove crds and skipCRDs from install, or skip the seed";
    refuse("install", "it leaves out the CRDs of the chart, which Helm installs", remedy);
  }
  if (textAt(object, "spec", "upgrade", "serverSideApply") === "disabled") {
    const what = "Flux would apply the release client-side, and Helm installs it server-side";
    refuse("upgrade.serverSideApply", what, "remove serverSideApply: disabled");
  }
  return faults;
}
