import * as fc from "fast-check";
import { Struct } from "google-protobuf/google/protobuf/struct_pb";
import { decodeStruct, encodeStruct } from "../../../provider/struct";
import { Secret, UNKNOWN } from "../../../provider/wire";
import { valueMap } from "./values";

describe("the bytes of a Struct", () => {
  test("preserve values, with secrets and unknowns at any depth", () => {
    fc.assert(fc.property(valueMap, (map) => expect(decodeStruct(encodeStruct(map))).toEqual(map)));
  });

  test("equal those of google-protobuf, in both directions", () => {
    const json = fc.dictionary(
      fc.string({ unit: "grapheme" }).filter((key) => key !== "__proto__"),
      fc.oneof(fc.string({ unit: "grapheme" }), fc.integer(), fc.boolean(), fc.constant(null)),
      { noNullPrototype: true },
    );
    fc.assert(
      fc.property(json, json, (inner, outer) => {
        const map = { ...outer, inner, list: [inner, 1.5, "text"] };
        expect(Struct.deserializeBinary(encodeStruct(map)).toJavaScript()).toEqual(map);
        expect(decodeStruct(Struct.fromJavaScript(map).serializeBinary())).toEqual(map);
      }),
    );
  });

  test("mark secrets and unknown values as Pulumi does", () => {
    const bytes = encodeStruct({ s: new Secret("x"), u: UNKNOWN });
    expect(Struct.deserializeBinary(bytes).toJavaScript()).toEqual({
      s: { "4dabf18193072939515e22adb298388d": "1b47061264138c4ac30d75fd1eb44270", value: "x" },
      u: "04da6b54-80e4-46f7-96ec-b56ff0331ba9",
    });
  });

  test("may contain an output: a value that is secret or unknown", () => {
    const signature = { "4dabf18193072939515e22adb298388d": "d0e6a833031e9bbcd3f4e8bde6ca49a4" };
    const struct = Struct.fromJavaScript({
      known: { ...signature, value: 1 },
      secret: { ...signature, value: 1, secret: true },
      unknown: { ...signature, dependencies: ["urn"] },
    });
    expect(decodeStruct(struct.serializeBinary())).toEqual({
      known: 1,
      secret: new Secret(1),
      unknown: UNKNOWN,
    });
  });

  test("may contain any text of any length", () => {
    const text = fc.string({ unit: "binary", maxLength: 300 });
    fc.assert(
      fc.property(text, (one) => expect(decodeStruct(encodeStruct({ one }))).toEqual({ one })),
    );
    const large = { text: "a€".repeat(100_000), list: Array.from({ length: 5_000 }, (_, i) => i) };
    expect(decodeStruct(encodeStruct(large))).toEqual(large);
  });

  test("may contain a property with the name __proto__", () => {
    const map = Object.fromEntries([["__proto__", { polluted: true }]]);
    const decoded = decodeStruct(encodeStruct(map));
    expect(Object.entries(decoded)).toEqual([["__proto__", { polluted: true }]]);
    expect(Object.getPrototypeOf(decoded)).toBe(Object.prototype);
  });

  test("are rejected if they are truncated", () => {
    const bytes = encodeStruct({ list: [1, "two", { three: true }] });
    for (let length = 1; length < bytes.length; length++) {
      expect(() => decodeStruct(bytes.subarray(0, length))).toThrow("truncated");
    }
  });
});
