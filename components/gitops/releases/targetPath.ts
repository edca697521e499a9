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

/** The values with the text at the path. `isLiteral` takes the text as it is. */
export function withPath(values: JsonMap, path: string, text: string, isLiteral: boolean): JsonMap {
  const set = setAt(values, stepsOf(path), isLiteral ? text : valueOf(text));
  return isMap(set) ? set : values;
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

function setAt(inner: Json | undefined, [step, ...rest]: readonly Step[], value: Json): Json {
  if (step === undefined) return value;
  if (typeof step === "number") {
    if (step > MAX_INDEX) throw new TargetPathError(`the index ${step} is above ${MAX_INDEX}`);
    const list = Array.isArray(inner) ? [...inner] : [];
    while (list.length < step) list.push(null);
    list[step] = setAt(list[step], rest, value);
    return list;
  }
  const map = isMap(inner) ? inner : {};
  return { ...map, [step]: setAt(Object.hasOwn(map, step) ? map[step] : undefined, rest, value) };
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
