import * as fc from "fast-check";
import { decodeStruct, encodeStruct } from "../../../provider/struct";
import { Secret, UNKNOWN, containsUnknown, equal, markLike, reveal } from "../../../provider/wire";
import { valueMap } from "./values";

describe("wire", () => {
  test("revealed values contain no secret and equal the original values", () => {
    fc.assert(
      fc.property(valueMap, (map) => {
        const plain = JSON.stringify(reveal(map), (_, one: unknown) => {
          expect(one).not.toBeInstanceOf(Secret);
          return one;
        });
        expect(plain).toBeDefined();
        if (!containsUnknown(map)) expect(equal(map, decodeStruct(encodeStruct(map)))).toBe(true);
      }),
    );
  });

  test("outputs inherit the secret marks of inputs, path by path", () => {
    const template = { a: new Secret("x"), b: { c: [new Secret(1), 2] } };
    expect(markLike({ a: "y", b: { c: [3, 4] }, d: 5 }, template)).toEqual({
      a: new Secret("y"),
      b: { c: [new Secret(3), 4] },
      d: 5,
    });
  });

  test("an unknown equals nothing, not even itself", () => {
    expect(equal(UNKNOWN, UNKNOWN)).toBe(false);
    expect(equal({ a: [UNKNOWN] }, { a: [UNKNOWN] })).toBe(false);
  });
});
