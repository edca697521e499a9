/** YAML as Kubernetes' Go libraries read it. */
import {
  YamlError,
  parseGoYaml,
  parseGoYamlDocuments,
  resolved,
} from "../../../../components/gitops/tree/goYaml";

test.each([
  ["yes", true],
  ["On", true],
  ["n", false],
  ["", null],
  ["~", null],
  ["text", "text"],
  ["0", 0],
  ["-17", -17],
  ["+17", 17],
  ["0777", 511],
  ["0o17", 15],
  ["089", 89],
  ["0x1F", 31],
  ["0b101", 5],
  ["1_000", 1000],
  ["1.50", 1.5],
  ["1e3", 1000],
  [".5", 0.5],
  ["1.2.3", "1.2.3"],
  ["v1", "v1"],
  ["2026-11-27", "2026-11-27"],
  ["12:30:45", "12:30:45"],
  ["10Gi", "10Gi"],
  ["-", "-"],
])("the plain scalar %j is %j", (text, expected) => {
  expect(resolved(text)).toBe(expected);
});

test("quoted scalars and blocks are text", () => {
  const text = "a: \"yes\"\nb: '12'\nc: |\n  12\nd: !!str 12\ne: 12\n";
  expect(parseGoYaml(text)).toEqual({ a: "yes", b: "12", c: "12\n", d: "12", e: 12 });
});

test("anchors, merge keys, keys that are no text, and duplicate keys", () => {
  const text = "a: &a { x: 1, z: 2 }\nb: { <<: *a, z: 3 }\nc: *a\n1: one\ntrue: t\nd: 1\nd: 2\n";
  expect(parseGoYaml(text)).toEqual({
    a: { x: 1, z: 2 },
    b: { x: 1, z: 3 },
    c: { x: 1, z: 2 },
    "1": "one",
    true: "t",
    d: 2,
  });
});

test("several documents, and what is no YAML", () => {
  expect(parseGoYamlDocuments("---\na: 1\n---\n---\nb: 2\n")).toEqual([{ a: 1 }, null, { b: 2 }]);
  expect(() => parseGoYaml("a: [1\n")).toThrow(YamlError);
});
