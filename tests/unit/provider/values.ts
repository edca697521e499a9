/** Generated property maps, with secrets and unknown values at any depth. */
import * as fc from "fast-check";
import { Secret, UNKNOWN } from "../../../provider/wire";
import type { Value, ValueMap } from "../../../provider/wire";

const key = fc.string({ maxLength: 12 });
const { value } = fc.letrec<{ value: Value; map: ValueMap }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 4 },
    fc.constant(null),
    fc.boolean(),
    fc.double({ noNaN: true }),
    fc.string({ unit: "grapheme" }),
    fc.constant(UNKNOWN),
    fc.array(tie("value"), { maxLength: 4 }),
    tie("map"),
    tie("value")
      .filter((one) => !(one instanceof Secret))
      .map((one) => new Secret(one)),
  ),
  map: fc.dictionary(key, tie("value"), { maxKeys: 5, noNullPrototype: true }),
}));

export const valueMap = fc.dictionary(key, value, { maxKeys: 6, noNullPrototype: true });
