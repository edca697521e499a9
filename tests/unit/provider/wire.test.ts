import * as fc from "fast-check";
import {
  Secret,
  UNKNOWN,
  containsUnknown,
  decode,
  encode,
  equal,
  markLike,
  reveal,
} from "../../../provider/wire";
import type { Value, ValueMap } from "../../../provider/wire";

// google-protobuf keeps maps in plain objects and drops a key named __proto__; no property has that name.
const key = fc.string({ maxLength: 12 }).filter((text) => text !== "__proto__");
const { value } = fc.letrec<{ value: Value; map: ValueMap }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 4 },
    fc.constant(null),
    fc.boolean(),
    fc.double({ noNaN: true, noDefaultInfinity: true }).map((n) => (n === 0 ? 0 : n)),
    fc.string(),
    fc.constant(UNKNOWN),
    fc.array(tie("value"), { maxLength: 4 }),
    tie("map"),
    tie("value")
      .filter((one) => !(one instanceof Secret))
      .map((one) => new Secret(one)),
  ),
  map: fc.dictionary(key, tie("value"), {
    maxKeys: 5,
    noNullPrototype: true,
  }),
}));
const valueMap = fc.dictionary(key, value, {
  maxKeys: 6,
  noNullPrototype: true,
});

describe("wire", () => {
  test("what goes out comes back, secrets and unknowns at any depth", () => {
    fc.assert(
      fc.property(valueMap, (map) => {
        expect(decode(encode(map))).toEqual(map);
      }),
    );
  });

  test("revealed values hold no secret, and equal what they were", () => {
    fc.assert(
      fc.property(valueMap, (map) => {
        const plain = JSON.stringify(reveal(map), (_, one: unknown) => {
          expect(one).not.toBeInstanceOf(Secret);
          return one;
        });
        expect(plain).toBeDefined();
        if (!containsUnknown(map)) expect(equal(map, decode(encode(map)))).toBe(true);
      }),
    );
  });

  test("outputs inherit the marks of inputs, path by path", () => {
    const template = { a: new Secret("x"), b: { c: [new Secret(1), 2] } };
    expect(markLike({ a: "y", b: { c: [3, 4] }, d: 5 }, template)).toEqual({
      a: new Secret("y"),
      b: { c: [new Secret(3), 4] },
      d: 5,
    });
  });

  test("an unknown equals nothing, itself included", () => {
    expect(equal(UNKNOWN, UNKNOWN)).toBe(false);
    expect(equal({ a: [UNKNOWN] }, { a: [UNKNOWN] })).toBe(false);
  });

  test("a known encoding: Pulumi's own markers", () => {
    const struct = encode({ s: new Secret("x"), u: UNKNOWN }).toJavaScript();
    expect(struct).toEqual({
      s: { "4dabf18193072939515e22adb298388d": "1b47061264138c4ac30d75fd1eb44270", value: "x" },
      u: "04da6b54-80e4-46f7-96ec-b56ff0331ba9",
    });
  });
});
