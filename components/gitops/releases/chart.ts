/** The chart of a HelmRelease, from its source in the tree. */
import { existsSync, readFileSync } from "node:fs";
import { join, normalize } from "node:path";
import type { SeedChart } from "../../../contract/gitops";
import { FLUX_NAMESPACE, FLUX_SYNC } from "../root";
import { parseGoYaml } from "../tree/goYaml";
import { at, listAt, mapAt, textAt } from "../tree/json";
import type { JsonMap } from "../tree/json";
import { FLUX_GROUPS, groupOf, shown } from "../tree/objects";
import type { TreeObject } from "../tree/objects";
import type { Fault } from "./fault";

/** What a chart is looked up in. */
export interface Sources {
  objects: readonly TreeObject[];
  /** Directory of the repository that the tree is in. */
  root: string;
}

export type ChartResult = { chart: SeedChart } | { faults: Fault[] };

type Refuse = (path: string[], what: string, remedy: string) => ChartResult;

export async function chartOf(
  sources: Sources,
  release: TreeObject,
  object: JsonMap,
): Promise<ChartResult> {
  const refuse: Refuse = (path, what, remedy) => ({
    faults: [{ object: release, path: ["spec", ...path], what, remedy }],
  });
  const template = at(object, "spec", "chart", "spec");
  const reference = at(object, "spec", "chartRef");
  if ((template === undefined) === (reference === undefined)) {
    return refuse([], "it needs either chart or chartRef", "state one of the two");
  }
  if (reference === undefined) {
    return fromTemplate(sources, release.namespace, mapAt(template), ["chart", "spec"], refuse);
  }
  const kind = textAt(reference, "kind");
  const found = await sourceOf(sources, release.namespace, mapAt(reference), ["chartRef"], refuse);
  if ("faults" in found) return found;
  if (kind === "OCIRepository") return fromOciRepository(found, refuse);
  if (kind !== "HelmChart") {
    return refuse(["chartRef", "kind"], `charts of kind ${kind} cannot be seeded`, OTHER_SOURCE);
  }
  const spec = mapAt(found.object, "spec");
  return fromTemplate(sources, found.source.namespace, spec, ["chartRef"], refuse);
}

const OTHER_SOURCE = "use a HelmRepository, an OCIRepository, or a path of this repository";

/** A chart template has the same fields as the spec of a HelmChart. */
async function fromTemplate(
  sources: Sources,
  namespace: string,
  spec: JsonMap,
  path: string[],
  refuse: Refuse,
): Promise<ChartResult> {
  if (listAt(spec, "valuesFiles").length > 0) {
    const remedy = "move them to a ConfigMap of the tree, and name that in valuesFrom";
    return refuse([...path, "valuesFiles"], "valuesFiles of the chart are not read", remedy);
  }
  const reference = mapAt(spec, "sourceRef");
  const at = [...path, "sourceRef"];
  const name = textAt(spec, "chart");
  const kind = textAt(reference, "kind");
  if (kind === "GitRepository") return fromPath(sources, namespace, reference, name, path, refuse);
  if (kind !== "HelmRepository") {
    return refuse([...at, "kind"], `charts of kind ${kind} cannot be seeded`, OTHER_SOURCE);
  }
  const found = await sourceOf(sources, namespace, reference, at, refuse);
  if ("faults" in found) return found;
  const fault = needsLogin(found);
  if (fault !== undefined) return { faults: [fault] };
  const version = textAt(spec, "version");
  if (!isOneVersion(version)) {
    const what = version === "" ? "the chart has no version" : `${version} is a range of versions`;
    return refuse([...path, "version"], what, `pin one version of ${name}, as in 1.2.3`);
  }
  const url = textAt(found.object, "spec", "url");
  return textAt(found.object, "spec", "type") === "oci" || url.startsWith("oci://")
    ? { chart: { kind: "oci", url: `${url.replace(/\/+$/, "")}/${name}`, version } }
    : { chart: { kind: "repository", url, name, version } };
}

/** The tag is the version: Helm writes a `+` of the version as `_`. */
function fromOciRepository(found: FoundSource, refuse: Refuse): ChartResult {
  const fault = needsLogin(found);
  if (fault !== undefined) return { faults: [fault] };
  const reference = mapAt(found.object, "spec", "ref");
  const { tag, semver, digest } = {
    tag: textAt(reference, "tag"),
    semver: textAt(reference, "semver"),
    digest: textAt(reference, "digest"),
  };
  const version = tag.replaceAll("_", "+");
  if (semver === "" && digest === "" && isOneVersion(version)) {
    return { chart: { kind: "oci", url: textAt(found.object, "spec", "url"), version } };
  }
  const stated = semver || digest || tag || "no tag";
  const what = `${shown(found.source)} has ${stated}, which is no version of a chart`;
  return refuse(["chartRef"], what, "pin spec.ref.tag there, as in 1.2.3");
}

function fromPath(
  { root }: Sources,
  namespace: string,
  reference: JsonMap,
  name: string,
  path: string[],
  refuse: Refuse,
): ChartResult {
  const source = `${textAt(reference, "namespace") || namespace}/${textAt(reference, "name")}`;
  if (source !== `${FLUX_NAMESPACE}/${FLUX_SYNC}`) {
    const what = `its chart is in another Git repository: ${source}`;
    return refuse([...path, "sourceRef"], what, OTHER_SOURCE);
  }
  const directory = join(root, normalize(`/${name}`));
  const file = join(directory, "Chart.yaml");
  if (!existsSync(file)) {
    const remedy = "correct the path; it starts at the root of the repository";
    return refuse([...path, "chart"], `${directory} has no Chart.yaml`, remedy);
  }
  const chart = parseGoYaml(readFileSync(file, "utf8"));
  if (listAt(chart, "dependencies").length > 0 && !existsSync(join(directory, "charts"))) {
    const remedy = `commit what \`helm dependency build ${directory}\` writes`;
    return refuse([...path, "chart"], "the chart's dependencies are not beside it", remedy);
  }
  const version = textAt(chart, "version");
  return { chart: { kind: "path", path: directory, name: textAt(chart, "name"), version } };
}

interface FoundSource {
  source: TreeObject;
  object: JsonMap;
}

async function sourceOf(
  { objects }: Sources,
  namespace: string,
  reference: JsonMap,
  path: string[],
  refuse: Refuse,
): Promise<FoundSource | { faults: Fault[] }> {
  const key = {
    kind: textAt(reference, "kind"),
    namespace: textAt(reference, "namespace") || namespace,
    name: textAt(reference, "name"),
  };
  const source = objects.find(
    (one) =>
      groupOf(one) === FLUX_GROUPS.source &&
      one.kind === key.kind &&
      one.namespace === key.namespace &&
      one.name === key.name,
  );
  if (source !== undefined) return { source, object: (await source.read()).object };
  const result = refuse(path, `${shown(key)} is not in the tree`, "add it, or correct the name");
  return "faults" in result ? result : { faults: [] };
}

/** Helm would need the login too, before Flux has it. */
function needsLogin({ source, object }: FoundSource): Fault | undefined {
  const spec = at(object, "spec");
  const key = ["secretRef", "certSecretRef"].find((name) => at(spec, name) !== undefined);
  const provider = textAt(spec, "provider");
  if (key === undefined && ["", "generic"].includes(provider)) return undefined;
  return {
    object: source,
    path: ["spec", key ?? "provider"],
    what: "charts behind a login cannot be seeded",
    remedy: "use a public source or a path of this repository, or skip the seed",
  };
}

/** A whole semantic version. Flux takes everything else for a range. */
export function isOneVersion(version: string): boolean {
  return /^v?[0-9]+\.[0-9]+\.[0-9]+(-[0-9A-Za-z.-]+)?(\+[0-9A-Za-z.-]+)?$/.test(version);
}
