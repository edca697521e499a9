/** Drift: what differs from the recorded state, apart from what the change intends. Pure. */
import type { EventLog, Step } from "./events";
import type { Drift } from "./model";
import { differingPaths, isChange, textOf, valueChanges } from "./plan";
import { shortName } from "./urn";
import { at } from "./values";

export function driftOf({ steps, refreshes }: EventLog): Drift[] {
  const planned = new Map(steps.map((step) => [step.urn, step]));
  const read = refreshes.flatMap((refresh) => ofRefresh(refresh, planned.get(refresh.urn)));
  const seen = new Set(read.map(keyOf));
  const kept = steps.flatMap(ofStep).filter((drift) => !seen.has(keyOf(drift)));
  return [...read, ...kept];
}

const keyOf = ({ resource, path }: Drift): string => JSON.stringify([resource, path]);

/** What the refresh read, and the state did not have. */
function ofRefresh({ urn, before, after }: Step, planned: Step | undefined): Drift[] {
  const resource = shortName(urn);
  const changes = planned !== undefined && isChange(planned);
  if (after === undefined || after.id === "") {
    const gone = { resource, path: "", recorded: before?.id ?? "", observed: "gone" };
    return [{ ...gone, isRepaired: changes }];
  }
  const old = before?.outputs ?? {};
  const repaired = planned === undefined ? [] : pathsOf(planned);
  return differingPaths(old, after.outputs).map((path) => ({
    resource,
    path,
    recorded: textOf(at(old, path)),
    observed: textOf(at(after.outputs, path)),
    isRepaired: repaired.some((one) => isWithin(path, one)),
  }));
}

/** Paths that the planned update changes. */
const pathsOf = (step: Step): string[] => valueChanges(step).map(({ path }) => path);

function isWithin(path: string, outer: string): boolean {
  return path === outer || path.startsWith(`${outer}.`) || path.startsWith(`${outer}[`);
}

/** An earlier refresh has recorded it, and the update repairs it. */
function ofStep(step: Step): Drift[] {
  return valueChanges(step)
    .filter(({ isIntended }) => !isIntended)
    .map(({ path, before, after }) => ({
      resource: shortName(step.urn),
      path,
      recorded: textOf(after),
      observed: textOf(before),
      isRepaired: true,
    }));
}
