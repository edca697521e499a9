/** HelmRelease v2 -> the release as Flux would install it, or all that is against it. */
import type { SeedRelease } from "../../../contract/gitops";
import { listAt, sortedJson, textAt } from "../tree/json";
import type { JsonMap } from "../tree/json";
import { FLUX_GROUPS, groupOf } from "../tree/objects";
import type { TreeObject } from "../tree/objects";
import { chartOf } from "./chart";
import type { Sources } from "./chart";
import type { Fault } from "./fault";
import type { Locate } from "./locate";
import { namesOf, pinFaults } from "./pins";
import { valuesOf } from "./values";

export interface ReadRelease {
  release: SeedRelease;
  /** A part of the values comes from a secret. */
  isSecret: boolean;
  /** NAMESPACE/NAME of the HelmReleases that must be ready before it. */
  dependsOn: string[];
}

export const isHelmRelease = (object: TreeObject): boolean =>
  object.kind === "HelmRelease" && groupOf(object) === FLUX_GROUPS.helm;

export async function readRelease(
  sources: Sources,
  locate: Locate,
  release: TreeObject,
): Promise<ReadRelease | { faults: Fault[] }> {
  const { object, isSecret } = await release.read();
  const chart = await chartOf(sources, release, object);
  const { values, ...read } = await valuesOf(object, release.namespace, sources.objects);
  const faults = [
    ...pinFaults(release, object),
    ...("faults" in chart ? chart.faults : []),
    ...read.faults.map(({ index, what }) => ({
      object: release,
      path: ["spec", "valuesFrom", String(index)],
      what,
      remedy: "correct valuesFrom, or add what it names to the tree",
    })),
  ];
  if (faults.length > 0 || "faults" in chart) return { faults };
  const { namespace, name } = release;
  return {
    release: {
      ...namesOf(release, object),
      chart: chart.chart,
      values: sortedJson(values),
      adopter: { namespace, name, source: locate(release) },
    },
    isSecret: isSecret || read.isSecret,
    dependsOn: dependenciesOf(release, object),
  };
}

function dependenciesOf({ namespace }: TreeObject, object: JsonMap): string[] {
  return listAt(object, "spec", "dependsOn").map(
    (one) => `${textAt(one, "namespace") || namespace}/${textAt(one, "name")}`,
  );
}
