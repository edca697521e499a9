/**
 * The plan that the engine saves (apitype.DeploymentPlanV1 of pulumi/pulumi). The event log has
 * each secret as `[secret]`; the plan has the new values. Nothing else of it is used. Pure.
 */
import { z } from "zod";
import { json } from "./events";
import type { EventLog } from "./events";
import { Hidden, isMap } from "./values";
import type { Value, ValueMap, ValueReader } from "./values";

const values = z.record(z.string(), z.unknown()).default({});
const schema = z.object({
  resourcePlans: z
    .record(
      z.string(),
      z.object({
        goal: z
          .object({ inputDiff: z.object({ adds: values, updates: values }).nullish() })
          .nullish(),
      }),
    )
    .default({}),
});

/** URN -> new values of its inputs, by name. */
export type PlannedValues = ReadonlyMap<string, ValueMap>;

/** Empty for a text that is not such a plan: then secrets cannot be compared. */
export function parsePlanFile(text: string, reader: ValueReader): PlannedValues {
  const parsed = schema.safeParse(json(text));
  if (!parsed.success) return new Map();
  return new Map(
    Object.entries(parsed.data.resourcePlans).map(([urn, { goal }]) => {
      const { adds = {}, updates = {} } = goal?.inputDiff ?? {};
      return [urn, reader.map({ ...adds, ...updates })];
    }),
  );
}

/** The log, with the new values of inputs that have secrets. */
export function withPlannedSecrets(log: EventLog, planned: PlannedValues): EventLog {
  const steps = log.steps.map((step) => {
    const known = planned.get(step.urn);
    if (step.after === undefined || known === undefined) return step;
    const inputs = Object.entries(step.after.inputs).map(
      ([name, value]) => [name, hasSecret(value) ? (known[name] ?? value) : value] as const,
    );
    return { ...step, after: { ...step.after, inputs: Object.fromEntries(inputs) } };
  });
  return { ...log, steps };
}

function hasSecret(value: Value): boolean {
  if (value instanceof Hidden) return true;
  if (Array.isArray(value)) return value.some(hasSecret);
  return isMap(value) && Object.values(value).some(hasSecret);
}
