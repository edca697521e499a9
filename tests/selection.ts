/**
 * Selects which rows of a table are tested. `npm test` runs a sample and prints its seed.
 * `npm run test:soak` runs all rows. TEST_SEED=NUMBER repeats a sample.
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

/** For test titles: the selected rows, so that a failure shows how to repeat it. */
export const SELECTION = SOAK ? "every row" : `rows of TEST_SEED=${selection.seed}`;
/**
 * Up to `count` of the rows, in order. Each table has its own sample, which does not depend on the
 * other tables.
 */
export function sampled<T>(
  table: string,
  rows: readonly T[],
  count: number,
  { soak, seed }: Selection = selection,
): T[] {
  if (soak || rows.length <= count) return [...rows];
  const rank = (index: number): string =>
    createHash("sha256").update(`${seed}/${table}/${index}`).digest("hex");
  const chosen = rows
    .map((_, index) => ({ index, rank: rank(index) }))
    .sort((a, b) => (a.rank < b.rank ? -1 : 1))
    .slice(0, count);
  const indices = new Set(chosen.map(({ index }) => index));
  return rows.filter((_, index) => indices.has(index));
}

/** Some of the steps 1 to `last`: the first, the last, and up to `between` of the others. */
export function sampledSteps(
  table: string,
  last: number,
  between: number,
  of: Selection = selection,
): number[] {
  const steps = Array.from({ length: last }, (_, index) => index + 1);
  if (last <= 2) return steps;
  return [1, ...sampled(table, steps.slice(1, -1), between, of), last];
}
