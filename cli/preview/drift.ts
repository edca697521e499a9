/** Drift: what differs from the recorded state, apart from what the change intends. Pure. */
import type { EventLog, Step } from "./events";
import type { Drift } from "./model";
import { differingPaths, isChange, textOf, valueChanges } from "./plan";
import { shortName } from "./urn";
import { at } from "./values";

/** `isWhole`: the plan is whole, so its updates put back what they touch. */
export function driftOf({ steps, refreshes }: EventLog, isWhole: boolean): Drift[] {
  const planned = new Map(steps.map((step) => [step.urn, step]));
  const read = refreshes.flatMap((refresh) => {
    const step = planned.get(refresh.urn);
    return ofRefresh(refresh, isWhole && step !== undefined && isChange(step));
  });
  const seen = new Set(read.map(keyOf));
  const named = steps.flatMap((step) => ofStep(step, isWhole));
  return [...read, ...named.filter((drift) => !seen.has(keyOf(drift)))]
    .map((drift) => ({ ...drift, isConsequence: isConsequence(drift, named) }))
    .sort((a, b) => (keyOf(a) < keyOf(b) ? -1 : 1));
}

type Found = Omit<Drift, "isConsequence">;

/** `named`: what the provider itself calls drift. A path there may be a list or a map. */
function isConsequence({ resource, path }: Found, named: readonly Found[]): boolean {
  const ofResource = named.filter((drift) => drift.resource === resource);
  const isNamed = (drift: Found): boolean =>
    path === drift.path || ["[", "."].some((mark) => path.startsWith(drift.path + mark));
  return ofResource.length > 0 && !ofResource.some(isNamed);
}

const keyOf = ({ resource, path }: Found): string => JSON.stringify([resource, path]);

/** What the refresh read, and the state did not have. A component has no id, and is not read. */
function ofRefresh({ urn, before, after }: Step, isRepaired: boolean): Found[] {
  if (before === undefined || before.id === "") return [];
  const resource = shortName(urn);
  if (after === undefined || after.id === "") {
    return [{ resource, path: "", recorded: before.id, observed: "gone", isRepaired }];
  }
  return differingPaths(before.outputs, after.outputs).map((path) => {
    const recorded = textOf(at(before.outputs, path));
    return { resource, path, recorded, observed: textOf(at(after.outputs, path)), isRepaired };
  });
}

/** What the plan changes back. An earlier refresh may have recorded it. */
function ofStep(step: Step, isRepaired: boolean): Found[] {
  return valueChanges(step)
    .filter(({ isIntended }) => !isIntended)
    .map(({ path, before, after }) => {
      const [recorded, observed] = [textOf(after), textOf(before)];
      return { resource: shortName(step.urn), path, recorded, observed, isRepaired };
    });
}
