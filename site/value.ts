/** Values of the draft: taken from the first level that states them. Pure. */
import type { Path } from "./issues";
import type { FaultyPaths } from "./siteFile";
import { parseDuration, parseSize } from "./units";

export interface Value<T> {
  path: Path;
  /** Undefined if the file does not state it, or if it is faulty there. */
  value: T | undefined;
  /** The file states a value, and that has an issue of its own. */
  isFaulty: boolean;
}

/** What one place of the file states for a value. */
export interface Level<T> {
  value: T | undefined;
  isFaulty: boolean;
}

/** For a place that is not known, since the reference to it is faulty. */
export const UNKNOWN_LEVEL = { value: undefined, isFaulty: true };

export function levelOf<T>(isFaulty: FaultyPaths, path: Path, value: T | undefined): Level<T> {
  return { value, isFaulty: value === undefined && isFaulty(path) };
}

/** The first level that states a value, or that has a faulty one. */
export function firstOf<T>(path: Path, levels: readonly Level<T>[]): Value<T> {
  const first = levels.find(({ value, isFaulty }) => value !== undefined || isFaulty);
  return { path, value: first?.value, isFaulty: first?.isFaulty ?? false };
}

export function mapValue<T, U>(from: Value<T>, convert: (value: T) => U | undefined): Value<U> {
  return { ...from, value: from.value === undefined ? undefined : convert(from.value) };
}

export function withDefault<T>(from: Value<T>, otherwise: T): Value<T> {
  return from.isFaulty ? from : { ...from, value: from.value ?? otherwise };
}

/** MiB of a size that passed the schema. */
export function mib(size: Value<string>): Value<number> {
  return mapValue(size, parseSize);
}

/** Seconds of a duration that passed the schema. */
export function seconds(duration: string | undefined, otherwise: number): number {
  return duration === undefined ? otherwise : (parseDuration(duration) ?? otherwise);
}

/** Only for a draft without issues. */
export function certain<T>({ path, value }: Value<T>): T {
  if (value === undefined) throw new Error(`${path.join(".")} has no value, and no rule noticed`);
  return value;
}
