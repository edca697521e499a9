/** Checks a resource's inputs: their shape, and changes of immutable ones. Pure. */
import { z } from "zod";
import type { InputFault, Resource } from "./resource";
import { containsUnknown, equal, markLike, reveal, toValue } from "./wire";
import type { ValueMap } from "./wire";

export interface Checked {
  inputs: ValueMap;
  faults: InputFault[];
}

/** Checks each property by itself, so that an unknown property hides no fault of another. */
export function checkShape(schema: z.ZodObject, news: ValueMap): Checked {
  const faults: InputFault[] = [];
  const inputs: ValueMap = {};
  const plain = reveal(news);
  const fields = new Map(Object.entries(schema.shape));
  for (const key of Object.keys(news)) {
    if (!fields.has(key) && key !== "__defaults") {
      faults.push({ property: key, reason: "is not a property of this resource" });
    }
  }
  for (const [key, field] of fields) {
    const value = news[key];
    if (containsUnknown(value)) {
      if (value !== undefined) inputs[key] = value;
      continue;
    }
    const parsed = z.safeParse(field, plain[key]);
    if (parsed.success) {
      if (parsed.data !== undefined) inputs[key] = markLike(toValue(parsed.data), value);
    } else {
      // Zod's messages name types and patterns, never the value.
      for (const issue of parsed.error.issues) {
        const property = [key, ...issue.path.map(String)].join(".");
        faults.push({ property, reason: issue.message });
      }
    }
  }
  return { inputs, faults };
}

/** Compares parsed inputs: a default counts as equal to the same explicit value. */
export function immutableFaults<I extends object>(
  { immutable, isRenamed }: Pick<Resource<I, object>, "immutable" | "isRenamed">,
  inputs: ValueMap,
  olds: ValueMap | undefined,
): InputFault[] {
  if (olds === undefined) return [];
  const remedies: Readonly<Record<string, string | undefined>> = immutable;
  return Object.entries(remedies).flatMap(([property, remedy]) => {
    if (!isMoved(olds, inputs, [property]) || containsUnknown(inputs[property])) return [];
    if (isRenamed?.(property, reveal(inputs), reveal(olds)) === true) return [];
    return [{ property, reason: `can't be changed. ${remedy ?? ""}`.trim() }];
  });
}

/** Do both maps have one of these properties with different values? */
export function isMoved(olds: ValueMap, news: ValueMap, properties: readonly string[]): boolean {
  return properties.some((property) => {
    const was = olds[property];
    const is = news[property];
    return was !== undefined && is !== undefined && !equal(was, is);
  });
}
