import * as fc from "fast-check";
import { sampled, sampledSteps } from "../selection";
import type { Selection } from "../selection";

const soak: Selection = { soak: true, seed: "1" };
const seeded = (seed: number): Selection => ({ soak: false, seed: String(seed) });
const ROWS = ["a", "b", "c", "d", "e"];

test("a soak run has every row and every step", () => {
  expect(sampled("cuts", ROWS, 1, soak)).toEqual(ROWS);
  expect(sampledSteps("a create", 9, 1, soak)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9]);
});

test("a small table has every row", () => {
  expect(sampled("cuts", ROWS, 5, seeded(1))).toEqual(ROWS);
  expect(sampledSteps("a create", 3, 1, seeded(1))).toEqual([1, 2, 3]);
  expect(sampledSteps("a create", 1, 1, seeded(1))).toEqual([1]);
});

test("a sample has the requested number of rows, without repetitions and in order", () => {
  fc.assert(
    fc.property(fc.nat({ max: 5 }), fc.nat(), (count, seed) => {
      const rows = sampled("cuts", ROWS, count, seeded(seed));
      expect(rows).toHaveLength(count);
      expect(ROWS.filter((row) => rows.includes(row))).toEqual(rows);
    }),
  );
});

test("steps contain the first, the last and some in between", () => {
  fc.assert(
    fc.property(fc.integer({ min: 4, max: 60 }), fc.nat(), (last, seed) => {
      const steps = sampledSteps("a create", last, 2, seeded(seed));
      expect(steps).toHaveLength(4);
      expect([...new Set(steps)].sort((a, b) => a - b)).toEqual(steps);
      expect([steps[0], steps[3]]).toEqual([1, last]);
    }),
  );
});

test("the same seed chooses the same rows", () => {
  const choice = sampledSteps("a create", 40, 4, seeded(7));
  expect(sampledSteps("a create", 40, 4, seeded(7))).toEqual(choice);
});

test("tables have different samples for one seed, and some seed selects every row", () => {
  const choice = sampledSteps("a create", 1000, 4, seeded(7));
  expect(sampledSteps("a delete", 1000, 4, seeded(7))).not.toEqual(choice);
  const seeds = Array.from({ length: 100 }, (_, seed) => seeded(seed));
  expect(new Set(seeds.flatMap((of) => sampled("cuts", ROWS, 1, of))).size).toBe(ROWS.length);
});
