import * as fc from "fast-check";
import { packageChanges } from "../../../provider/packages";

const packages = fc.dictionary(
  fc.oneof(fc.constantFrom("hello", "jq", "constructor"), fc.stringMatching(/^[a-z][a-z0-9-]*$/)),
  fc.constantFrom("1.0", "1.1", "1.0, 1.1"),
  { noNullPrototype: true, maxKeys: 60 },
);

test("one line shows changed, added and removed packages", () => {
  const before = { hello: "2.12", curl: "8.1", same: "1" };
  const after = { hello: "2.13", jq: "1.7", same: "1" };
  expect(packageChanges(before, after)).toBe("packages: - curl 8.1, hello 2.12 -> 2.13, + jq 1.7");
});

test("equal packages cause no line", () => {
  fc.assert(
    fc.property(packages, (map) => {
      expect(packageChanges(map, structuredClone(map))).toBeUndefined();
    }),
  );
});

test("every change is named or counted", () => {
  fc.assert(
    fc.property(packages, packages, (before, after) => {
      const names = new Set([...Object.keys(before), ...Object.keys(after)]);
      const value = (map: object, name: string): unknown =>
        Object.getOwnPropertyDescriptor(map, name)?.value;
      const changed = [...names].filter((name) => value(before, name) !== value(after, name));
      const line = packageChanges(before, after);
      expect(line === undefined).toBe(changed.length === 0);
      const more = Number(/, and (\d+) more$/.exec(line ?? "")?.[1] ?? 0);
      const named = changed.filter((name) => ` ${line ?? ""}`.includes(` ${name} `));
      expect(more).toBe(Math.max(0, changed.length - 20));
      if (more === 0) expect(named).toEqual(changed);
    }),
  );
});

test("the reverse change shows the opposite", () => {
  fc.assert(
    fc.property(packages, (map) => {
      const there = packageChanges({}, map) ?? "";
      expect(packageChanges(map, {}) ?? "").toBe(there.replaceAll("+ ", "- "));
    }),
  );
});

test("control characters in the name of a package are removed", () => {
  expect(packageChanges({}, { "a\u001b[2J": "1\n2" })).toBe("packages: + a [2J 1 2");
});
