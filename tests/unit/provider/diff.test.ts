import * as fc from "fast-check";
import { changesBetween, isIgnored, joinPath } from "../../../provider/diff";
import { UNKNOWN, toMap } from "../../../provider/wire";

const json = fc.dictionary(fc.string({ maxLength: 8 }), fc.jsonValue({ maxDepth: 3 }), {
  maxKeys: 5,
  noNullPrototype: true,
});

describe("changesBetween", () => {
  test("is empty for equal values", () => {
    fc.assert(
      fc.property(json, (map) => {
        expect(changesBetween(toMap(map), toMap(structuredClone(map)), true).size).toBe(0);
      }),
    );
  });

  test("a difference anywhere is a change, in both directions", () => {
    fc.assert(
      fc.property(json, json, (a, b) => {
        const same = JSON.stringify(sorted(a)) === JSON.stringify(sorted(b));
        expect(changesBetween(toMap(a), toMap(b), true).size === 0).toBe(same);
        expect(changesBetween(toMap(b), toMap(a), true).size === 0).toBe(same);
      }),
    );
  });

  test("names the path and the kind", () => {
    const changes = changesBetween(
      { a: { b: 1, gone: 1 }, l: [1] },
      { a: { b: 2, c: 3 }, l: [1, 2] },
      false,
    );
    expect(Object.fromEntries(changes)).toEqual({
      "a.b": { inputDiff: false, kind: "update" },
      "a.gone": { inputDiff: false, kind: "delete" },
      "a.c": { inputDiff: false, kind: "add" },
      l: { inputDiff: false, kind: "update" },
    });
  });

  test("shows an unknown value as changed", () => {
    expect([...changesBetween({ a: 1 }, { a: UNKNOWN }, true).keys()]).toEqual(["a"]);
  });
});

test("paths are Pulumi's", () => {
  expect(joinPath("a", "b-c")).toBe("a.b-c");
  expect(joinPath("a", "b.c")).toBe('a["b.c"]');
});

test("ignoreChanges covers a path and all below it", () => {
  expect(isIgnored("a.b", ["a"])).toBe(true);
  expect(isIgnored("ab", ["a"])).toBe(false);
  expect(isIgnored("x", ["*"])).toBe(true);
});

function sorted(one: unknown): unknown {
  if (Array.isArray(one)) return one.map(sorted);
  if (typeof one !== "object" || one === null) return one;
  return Object.fromEntries(
    Object.entries(one)
      .map(([key, item]): [string, unknown] => [key, sorted(item)])
      .sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0)),
  );
}
