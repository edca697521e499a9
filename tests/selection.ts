/**
 * Chooses which rows of a table are tested. `npm test` takes some of them, by a seed that it
 * prints; `npm run test:soak` takes all. TEST_SEED=NUMBER repeats a choice.
 */
import { createHash } from "node:crypto";

export interface Selection {
  soak: boolean;
  seed: string;
}

const selection: Selection = {
  soak: process.env["TEST_SOAK"] === "1",
  seed: process.env["TEST_SEED"] ?? "0",
};

/** Whether every row and the long models run. */
export const SOAK = selection.soak;

/** For titles of tests: which rows they have, so that a failure says how to repeat it. */
export const SELECTION = SOAK ? "every row" : `rows of TEST_SEED=${selection.seed}`;

/**
 * Up to `count` of the rows, in their order, always with the first and the last. Each table has
 * its own choice, which does not depend on what other tables there are.
 */
export function sampled<T>(
  table: string,
  rows: readonly T[],
  count: number,
  { soak, seed }: Selection = selection,
): T[] {
  if (soak || rows.length <= count) return [...rows];
  const last = rows.length - 1;
  const between = Array.from({ length: last - 1 }, (_, index) => index + 1);
  const rank = (index: number): string =>
    createHash("sha256").update(`${seed}/${table}/${index}`).digest("hex");
  const chosen = between
    .map((index) => ({ index, rank: rank(index) }))
    .sort((a, b) => (a.rank < b.rank ? -1 : 1))
    .slice(0, Math.max(0, count - 2))
    .map(({ index }) => index);
  const taken = new Set([0, last, ...chosen]);
  return rows.filter((_, index) => taken.has(index));
}

/** The same for steps that have numbers: some of 1 to `last`. */
export function sampledSteps(
  table: string,
  last: number,
  count: number,
  of: Selection = selection,
): number[] {
  const steps = Array.from({ length: last }, (_, index) => index + 1);
  return sampled(table, steps, count, of);
}
