/** The values of a HelmRelease, from the release and from what it references. */
import { inSpec, onlyRelease, reading, valuesIn } from "./releaseTree";
import type { Files } from "./releaseTree";
import { removeTrees } from "./simpleTree";

afterAll(removeTrees);

describe("values", () => {
  const from = (...references: string[]): Files =>
    inSpec(`  valuesFrom:\n${references.map((one) => `    - { ${one} }\n`).join("")}`);
  const map = (name: string, data: string, kind = "ConfigMap"): string =>
    `apiVersion: v1\nkind: ${kind}\nmetadata: { name: ${name}, namespace: kube-system }\n${data}\n`;

  test("of references come first, in their order", async () => {
    const values = await valuesIn({
      ...from("kind: ConfigMap, name: a", "kind: ConfigMap, name: b, valuesKey: other.yaml"),
      "cluster/maps.yaml":
        map(
          "a",
          "data:\n  values.yaml: |\n    a: 1\n    b: 1\n    operator: { replicas: 5, x: 1 }",
        ) + `---\n${map("b", "data:\n  other.yaml: |\n    b: 2")}`,
    });
    expect(values).toEqual({
      a: 1,
      b: 2,
      operator: { replicas: 1, x: 1 },
      ipam: { mode: "kubernetes" },
    });
  });

  test("of a Secret are secret", async () => {
    const login = Buffer.from("login: { user: me }").toString("base64");
    const read = await onlyRelease({
      ...from("kind: Secret, name: s"),
      "cluster/secret.yaml": map("s", `data: { values.yaml: ${login} }`, "Secret"),
    });
    expect(read.isSecret).toBe(true);
    expect(JSON.parse(read.release.values)).toMatchObject({ login: { user: "me" } });
  });

  test.each([
    ["a.b", "5", { a: { b: 5 } }],
    ["a.b", "05", { a: { b: "05" } }],
    ["a.b", '"5"', { a: { b: "5" } }],
    ["a.b", "true", { a: { b: true } }],
    ["a\\.b", "x", { "a.b": "x" }],
    ["list[1].x", "x", { list: [null, { x: "x" }] }],
    ["operator.replicas", "7", { operator: { replicas: 7 } }],
    ["operator", "7", { operator: { replicas: 1 } }],
    ["a", "x\\,y", { a: "x,y" }],
  ])("at the path %s: %j", async (path, text, expected) => {
    const reference = `kind: ConfigMap, name: a, valuesKey: k, targetPath: '${path}'`;
    const files = {
      ...from(reference),
      "cluster/maps.yaml": map("a", `data: { k: ${JSON.stringify(text)} }`),
    };
    expect(await valuesIn(files)).toMatchObject(expected);
  });

  test("at a path in a map that a reference has too: those of the release win", async () => {
    const files = {
      ...from(
        "kind: ConfigMap, name: a",
        "kind: ConfigMap, name: a, valuesKey: k, targetPath: operator.replicas",
        "kind: ConfigMap, name: a, valuesKey: k, targetPath: operator.other",
      ),
      "cluster/maps.yaml": map("a", 'data: { k: "7", values.yaml: "operator: { x: 1 }" }'),
    };
    expect(await valuesIn(files)).toMatchObject({ operator: { x: 1, replicas: 1, other: 7 } });
  });

  test("at a path, as they are", async () => {
    const files = {
      ...from("kind: ConfigMap, name: a, valuesKey: k, targetPath: a, literal: true"),
      "cluster/maps.yaml": map("a", 'data: { k: "{x,y}=5" }'),
    };
    expect(await valuesIn(files)).toMatchObject({ a: "{x,y}=5" });
  });

  test("that are optional", async () => {
    const files = from(
      "kind: ConfigMap, name: none, optional: true",
      "kind: ConfigMap, name: a, valuesKey: none, optional: true",
    );
    const maps = { "cluster/maps.yaml": map("a", "data: { k: v }") };
    expect(await valuesIn({ ...files, ...maps })).toEqual({
      operator: { replicas: 1 },
      ipam: { mode: "kubernetes" },
    });
  });

  test.each<[string, Files, string]>([
    [
      "a map that is not in the tree",
      from("kind: ConfigMap, name: none"),
      "release.yaml:8 HelmRelease kube-system/cilium: valuesFrom names ConfigMap " +
        "kube-system/none, which is not in the tree",
    ],
    [
      "an entry that the map does not have",
      { ...from("kind: ConfigMap, name: a"), "cluster/a.yaml": map("a", "data: { k: v }") },
      "valuesFrom names ConfigMap kube-system/a, which has no entry values.yaml",
    ],
    [
      "an entry that is no map",
      {
        ...from("kind: ConfigMap, name: a"),
        "cluster/a.yaml": map("a", "data: { values.yaml: v }"),
      },
      "the entry that valuesFrom names is no map of values",
    ],
    [
      "a value that Helm would split",
      {
        ...from("kind: ConfigMap, name: a, valuesKey: k, targetPath: x"),
        "cluster/a.yaml": map("a", 'data: { k: "a,b" }'),
      },
      "set literal: true on the reference",
    ],
    [
      "a path through a text",
      {
        ...from("kind: ConfigMap, name: a, valuesKey: k, targetPath: ipam.mode.x"),
        "cluster/a.yaml": map("a", "data: { k: v }"),
      },
      "targetPath ipam.mode.x leads through a value without x",
    ],
    [
      "a Secret that nothing decrypts",
      {
        ...from("kind: Secret, name: s"),
        "cluster/s.yaml": map(
          "s",
          'stringData: { values.yaml: "ENC[x]" }\nsops: { mac: "ENC[m]" }',
          "Secret",
        ),
      },
      "it is encrypted, and the Kustomization flux-system/flux-system has no spec.decryption",
    ],
  ])("%s is refused", async (_, files, message) => {
    await expect(reading(files)).rejects.toThrow(message);
  });
});
