/**
 * `targetPath` of valuesFrom: ReplacePathValue of fluxcd/pkg chartutil, which hands PATH=VALUE to
 * Helm's parser of `--set`. Values in which that parser would see more than one value are refused.
 * Pure.
 */
import { isMap } from "../tree/json";
import type { Json, JsonMap } from "../tree/json";

/** What cannot be set, and why. */
export class TargetPathError extends Error {}

type Step = string | number;

/** Sets the text at the path, in place, as Helm does. `isLiteral` takes the text as it is. */
export function setPath(values: JsonMap, path: string, text: string, isLiteral: boolean): void {
  setAt(values, stepsOf(path), isLiteral ? text : valueOf(text), path);
}

/** `a.b\.c[0]` */
function stepsOf(path: string): Step[] {
  const steps: Step[] = [];
  for (const part of path.split(/(?<!\\)\./)) {
    const found = /^((?:\\.|[^\\[\],={}])+)((?:\[[0-9]+\])*)$/.exec(part);
    if (found === null) throw new TargetPathError(`targetPath ${path} is malformed`);
    const [, name = "", indexes = ""] = found;
    steps.push(name.replaceAll(/\\(.)/g, "$1"));
    for (const [, index] of indexes.matchAll(/\[([0-9]+)\]/g)) steps.push(Number(index));
  }
  return steps;
}

/** Helm's limit for the index of a list (strvals MaxIndex). */
const MAX_INDEX = 65536;

/** Helm fails if the path leads through a value that is no map or no list. */
function setAt(inner: Json | undefined, steps: readonly Step[], value: Json, path: string): Json {
  const [step, ...rest] = steps;
  if (step === undefined) return value;
  if (typeof step === "string") {
    const map = inner === undefined ? {} : inner;
    if (!isMap(map)) throw wrongType(path, step);
    map[step] = setAt(Object.hasOwn(map, step) ? map[step] : undefined, rest, value, path);
    return map;
  }
  if (step > MAX_INDEX) throw new TargetPathError(`the index ${step} is above ${MAX_INDEX}`);
  const list = inner === undefined ? [] : inner;
  if (!Array.isArray(list)) throw wrongType(path, `[${step}]`);
  // A list that is too short is replaced by a longer one, and stays as it is elsewhere.
  const long = step < list.length ? list : [...list, ...nulls(step + 1 - list.length)];
  const [next] = rest;
  const before = long[step];
  const isOther = typeof next === "string" ? !isMap(before) : !Array.isArray(before);
  long[step] = setAt(isOther ? undefined : before, rest, value, path);
  return long;
}

const nulls = (length: number): Json[] => Array.from({ length }, () => null);

function wrongType(path: string, step: string): TargetPathError {
  return new TargetPathError(`targetPath ${path} leads through a value without ${step}`);
}

/** A value in quotes is text; else Helm's typedVal. */
function valueOf(text: string): Json {
  const isQuoted = ["'", '"'].some((quote) => text.startsWith(quote) && text.endsWith(quote));
  const bare = isQuoted ? text.replaceAll(/^['"]+|['"]+$/g, "") : text;
  if (/(?<!\\),/.test(bare) || bare.startsWith("{")) {
    throw new TargetPathError(
      "its value has a ',' or starts with '{', which Helm takes for several values; set " +
        "literal: true on the reference",
    );
  }
  const plain = bare.replaceAll(/\\([\s\S])/g, "$1");
  return isQuoted ? plain : typed(plain);
}

function typed(text: string): Json {
  const word = text.toLowerCase();
  if (word === "true") return true;
  if (word === "false") return false;
  if (word === "null") return null;
  if (text === "0") return 0;
  return /^[+-]?[0-9]+$/.test(text) && !text.startsWith("0") ? Number(text) : text;
}
