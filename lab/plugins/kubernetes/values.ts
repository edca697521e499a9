/** Objects of Kubernetes as Pulumi's properties: pruned, compared and marked as the plugin does. */
import { randomBytes } from "node:crypto";
import { isDeepStrictEqual } from "node:util";
import { z } from "zod";
import { Secret, Unknown, isMap, markLike, reveal, toMap } from "../../../provider/wire";
import type { Plain, PlainMap, Value, ValueMap } from "../../../provider/wire";

export const INPUTS = "__inputs";
export const FIELD_MANAGER = "__fieldManager";
const INITIAL_VERSION = "__initialApiVersion";
const MANAGER_ANNOTATION = "pulumi.com/patchFieldManager";
const FORCE_ANNOTATION = "pulumi.com/patchForce";

const metadata = z.looseObject({
  name: z.string().optional(),
  namespace: z.string().optional(),
  annotations: z.record(z.string(), z.string()).optional(),
});

export interface Identity {
  apiVersion: string;
  kind: string;
  name: string;
  namespace: string | undefined;
  annotations: Readonly<Record<string, string>>;
}

/** An unknown value has no name: then it is empty. */
export function identityOf(object: PlainMap): Identity {
  const {
    name = "",
    namespace,
    annotations = {},
  } = metadata.safeParse(object["metadata"]).data ?? {};
  return {
    apiVersion: textIn(object, "apiVersion"),
    kind: textIn(object, "kind"),
    name,
    namespace,
    annotations,
  };
}

/** Empty, if it is no text. */
export function textIn(object: PlainMap, key: string): string {
  const value = object[key];
  return typeof value === "string" ? value : "";
}

export const idOf = ({ namespace, name }: Identity): string =>
  namespace === undefined ? name : `${namespace}/${name}`;

export const isForced = ({ annotations }: Identity): boolean =>
  annotations[FORCE_ANNOTATION] === "true";

/** By annotation, else as recorded, else a new one. */
export function fieldManagerOf(inputs: PlainMap, state: ValueMap): string {
  const recorded = state[FIELD_MANAGER];
  return (
    identityOf(inputs).annotations[MANAGER_ANNOTATION] ??
    (typeof recorded === "string"
      ? recorded
      : `pulumi-kubernetes-${randomBytes(4).toString("hex")}`)
  );
}

export function plainOf(value: ValueMap): PlainMap {
  return reveal(value);
}

export function isPlainMap(value: Plain | undefined): value is PlainMap {
  return (
    typeof value === "object" &&
    value !== null &&
    !Array.isArray(value) &&
    !(value instanceof Unknown)
  );
}

/** What the live object has of the keys of the inputs. */
export function pruned(live: Plain, inputs: Plain): Plain {
  if (Array.isArray(live) && Array.isArray(inputs)) {
    return inputs.slice(0, live.length).map((one, index) => pruned(live[index] ?? null, one));
  }
  if (!isPlainMap(live) || !isPlainMap(inputs)) return live;
  const keys = Object.keys(inputs).filter((key) => key in live);
  return Object.fromEntries(
    keys.map((key) => [key, pruned(live[key] ?? null, inputs[key] ?? null)]),
  );
}

/** The state: the live object, the inputs, and who manages the fields. */
export function checkpoint(
  inputs: ValueMap,
  live: PlainMap,
  fieldManager: string,
  version = textIn(plainOf(inputs), "apiVersion"),
): ValueMap {
  return {
    ...withSecrets(toMap(live), inputs),
    [INPUTS]: withSecrets(inputs, inputs),
    [INITIAL_VERSION]: version,
    [FIELD_MANAGER]: fieldManager,
  };
}

/** `data` of a Secret is always secret; else what is secret in the inputs. */
export function withSecrets(object: ValueMap, inputs: ValueMap): ValueMap {
  const marked = markLike(object, inputs);
  const map = isMap(marked) ? marked : object;
  const data = map["data"];
  if (map["kind"] !== "Secret" || data === undefined || data instanceof Secret) return map;
  return { ...map, data: new Secret(data) };
}

/** The state without what the plugin adds. */
export function liveOf(state: ValueMap): PlainMap {
  return without(plainOf(state), [INPUTS, FIELD_MANAGER, INITIAL_VERSION]);
}

export function without(object: PlainMap, keys: readonly string[]): PlainMap {
  return Object.fromEntries(Object.entries(object).filter(([key]) => !keys.includes(key)));
}

export function recordedInputs(state: ValueMap): ValueMap {
  const inputs: Value | undefined = state[INPUTS];
  return isMap(inputs) ? inputs : {};
}

export type Kind = "add" | "delete" | "update";

/** Path -> what changes, with the leaves of maps and lists. */
export function changesOf(
  before: Plain | undefined,
  after: Plain | undefined,
  path = "",
): [string, Kind][] {
  if (before === undefined && after === undefined) return [];
  if (before === undefined) return [[path, "add"]];
  if (after === undefined) return [[path, "delete"]];
  if (isPlainMap(before) && isPlainMap(after)) {
    const keys = new Set([...Object.keys(before), ...Object.keys(after)]);
    return [...keys].flatMap((key) => changesOf(before[key], after[key], joined(path, key)));
  }
  if (Array.isArray(before) && Array.isArray(after)) {
    const length = Math.max(before.length, after.length);
    return Array.from({ length }, (_, index) => index).flatMap((index) =>
      changesOf(before[index], after[index], `${path}[${index}]`),
    );
  }
  return isDeepStrictEqual(before, after) ? [] : [[path, "update"]];
}

function joined(path: string, key: string): string {
  if (/[."[\]]/.test(key)) return `${path}["${key.replaceAll('"', '\\"')}"]`;
  return path === "" ? key : `${path}.${key}`;
}
