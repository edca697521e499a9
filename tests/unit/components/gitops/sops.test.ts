/** Encrypted objects are decrypted by sops, and only if they are read. */
import { readGitOps } from "../../../../components/gitops/readGitOps";
import type { Command } from "../../../../components/gitops/tree/commands";
import { PROGRAMS } from "../../../../components/gitops/tree/commands";
import { parseGoYaml } from "../../../../components/gitops/tree/goYaml";
import { isMap, mapAt } from "../../../../components/gitops/tree/json";
import { decrypt, isEncrypted } from "../../../../components/gitops/tree/sops";
import { readFileSync, statSync } from "node:fs";
import { removeTrees, simplePrograms, treeOf } from "./simpleTree";

afterAll(removeTrees);

const MAC = 'sops:\n  mac: "ENC[m]"\n';
const RELEASE = `apiVersion: helm.toolkit.fluxcd.io/v2
kind: HelmRelease
metadata: { name: app, namespace: apps }
spec:
  chart: { spec: { chart: app, version: 1.0.0, sourceRef: { kind: HelmRepository, name: app } } }
  valuesFrom: [{ kind: Secret, name: needed }]
---
apiVersion: source.toolkit.fluxcd.io/v1
kind: HelmRepository
metadata: { name: app, namespace: apps }
spec: { url: https://charts.example.org }
---
apiVersion: v1
kind: Secret
metadata: { name: needed, namespace: apps }
stringData: { values.yaml: "ENC[v]" }
${MAC}---
apiVersion: v1
kind: Secret
metadata: { name: other, namespace: apps }
stringData: { values.yaml: "ENC[v]" }
${MAC}`;
const MODEL = {
  branch: "main",
  settings: {},
  seeds: [
    {
      name: "cilium" as const,
      helmReleases: [{ namespace: "apps", name: "app" }],
      releases: [],
      timeoutSeconds: 60,
    },
  ],
};
const CANARY = "canary-of-the-secret";

interface Call {
  args: readonly string[];
  environment: Record<string, string>;
  name: unknown;
}

/** Decrypts as sops does: each text that starts with ENC, and no sops map. */
function fakeSops(calls: Call[]): Command {
  return async (program, args, options = {}) => {
    if (program !== "sops") return PROGRAMS.command(program, args, options);
    const { stdin = "", environment = {} } = options;
    const object = parseGoYaml(stdin);
    if (!isMap(object)) throw new Error("sops gets no object");
    calls.push({ args, environment, name: mapAt(object, "metadata")["name"] });
    delete object["sops"];
    return Promise.resolve(JSON.stringify(object).replaceAll("ENC[v]", `login: ${CANARY}`));
  };
}

test("only what is needed is decrypted, with the key in a private file", async () => {
  const directory = treeOf({ "cluster/all.yaml": RELEASE });
  const calls: Call[] = [];
  const modes: number[] = [];
  const keys: string[] = [];
  const sops = fakeSops(calls);
  const command: Command = (program, args, options) => {
    const file = options?.environment?.["SOPS_AGE_KEY_FILE"];
    if (file !== undefined) {
      modes.push(statSync(file).mode & 0o777);
      keys.push(readFileSync(file, "utf8"));
    }
    return sops(program, args, options);
  };
  const model = { ...MODEL, tree: { directory, path: "cluster" } };
  const secrets = { ageKey: "AGE-SECRET-KEY-1" };
  const { seeds } = await readGitOps(model, secrets, simplePrograms(command));
  const [read] = seeds[0]?.releases ?? [];
  expect(read?.isSecret).toBe(true);
  expect(read?.release.values).toBe(JSON.stringify({ login: CANARY }));
  expect(calls.map(({ name }) => name)).toEqual(["needed"]);
  expect(JSON.stringify(calls)).not.toContain("AGE-SECRET-KEY-1");
  expect(modes).toEqual([0o600]);
  expect(keys).toEqual(["AGE-SECRET-KEY-1"]);
  const file = calls[0]?.environment["SOPS_AGE_KEY_FILE"] ?? "";
  expect(statSync(file, { throwIfNoEntry: false })).toBeUndefined();
});

test("what sops says is in the refusal", async () => {
  const directory = treeOf({ "cluster/all.yaml": RELEASE });
  const model = { ...MODEL, tree: { directory, path: "cluster" } };
  const command: Command = (program, args, options) =>
    program === "sops"
      ? Promise.reject(new Error("no key could decrypt the data"))
      : PROGRAMS.command(program, args, options);
  await expect(readGitOps(model, { ageKey: "k" }, simplePrograms(command))).rejects.toThrow(
    /all\.yaml:6 HelmRelease apps\/app: no key could decrypt the data/,
  );
});

describe("entries of a generated Secret", () => {
  const secret = (text: string) => ({
    kind: "Secret",
    metadata: { name: "s" },
    data: { "values.yaml": Buffer.from(text).toString("base64"), other: "eA==" },
  });

  test("are decrypted by their own format", async () => {
    const object = secret("a: ENC[v]\nsops:\n    mac: ENC[m]\n");
    expect(isEncrypted(object)).toBe(true);
    const calls: (readonly string[])[] = [];
    const run: Command = (_, args) => {
      calls.push(args);
      return Promise.resolve("a: plain\n");
    };
    const { data } = await decrypt({ run }, object);
    expect(data).toEqual({
      "values.yaml": Buffer.from("a: plain\n").toString("base64"),
      other: "eA==",
    });
    expect(calls).toEqual([
      ["--decrypt", "--ignore-mac", "--input-type", "yaml", "--output-type", "yaml", "/dev/stdin"],
    ]);
  });

  test("that are plain, and objects for which it is off, are not encrypted", () => {
    expect(isEncrypted(secret("a: 1\n"))).toBe(false);
    const annotations = { "kustomize.toolkit.fluxcd.io/decrypt": "disabled" };
    const off = { ...secret("mac: ENC[m]"), metadata: { name: "s", annotations } };
    expect(isEncrypted(off)).toBe(false);
  });
});
