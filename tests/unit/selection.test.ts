import * as fc from "fast-check";
import { sampled, sampledSteps } from "../selection";
import type { Selection } from "../selection";

const soak: Selection = { soak: true, seed: "1" };
const seeded = (seed: number): Selection => ({ soak: false, seed: String(seed) });

test("a soak has every row", () => {
  expect(sampledSteps("a create", 9, 3, soak)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9]);
});

test("a table that is small enough has every row", () => {
  expect(sampled("a create", ["a", "b", "c"], 3, seeded(1))).toEqual(["a", "b", "c"]);
});

test("a choice has its number of rows, each once, in order, with the first and the last", () => {
  fc.assert(
    fc.property(fc.integer({ min: 4, max: 60 }), fc.nat(), (last, seed) => {
      const steps = sampledSteps("a create", last, 4, seeded(seed));
      expect(steps).toHaveLength(4);
      expect([...new Set(steps)].sort((a, b) => a - b)).toEqual(steps);
      expect([steps[0], steps[3]]).toEqual([1, last]);
    }),
  );
});

test("the same seed chooses the same rows", () => {
  expect(sampledSteps("a create", 40, 4, seeded(7))).toEqual(
    sampledSteps("a create", 40, 4, seeded(7)),
  );
});

test("tables of one seed differ in their choice, and every row is chosen by some seed", () => {
  expect(sampledSteps("a create", 1000, 4, seeded(7))).not.toEqual(
    sampledSteps("a delete", 1000, 4, seeded(7)),
  );
  const chosen = Array.from({ length: 200 }, (_, seed) =>
    sampledSteps("a create", 12, 3, seeded(seed)),
  );
  expect(new Set(chosen.flat()).size).toBe(12);
});
