/** Programs of the lab's cluster that are on PATH already. */
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { copiedFromPath } from "../../../lab/kubernetes/onPath";
import { SOURCES, type Source } from "../../../lab/kubernetes/programs";

const scratch = mkdtempSync(join(tmpdir(), "pulumi-microvm-path-"));
const path = process.env["PATH"];
let count = 0;

afterEach(() => {
  process.env["PATH"] = path;
});
afterAll(() => rmSync(scratch, { recursive: true }));

function kubernetes(): Source {
  const source = SOURCES.find(({ name }) => name === "kubernetes");
  if (source === undefined) throw new Error("no source");
  return source;
}

/** Puts programs on PATH that print a version, and returns an empty directory for the copies. */
function onPath(versions: { [program: string]: string }): string {
  const directory = join(scratch, String(count++));
  const target = join(directory, "target");
  mkdirSync(target, { recursive: true });
  for (const [program, text] of Object.entries(versions)) {
    writeFileSync(join(directory, program), `#!/bin/sh\necho '${text}'\n`);
    chmodSync(join(directory, program), 0o755);
  }
  process.env["PATH"] = `${directory}:/usr/bin:/bin`;
  return target;
}

const all = {
  "kube-apiserver": "Kubernetes v1.36.9",
  "kube-controller-manager": "Kubernetes v1.36.9",
  "kube-scheduler": "Kubernetes v1.36.9",
  kubectl: "Client Version: v1.36.9",
};

test("programs of the same minor version are copied", async () => {
  const target = onPath(all);
  expect(await copiedFromPath(kubernetes(), target)).toBe(true);
  expect(readdirSync(target).sort()).toEqual(Object.keys(all).sort());
});

test.each([
  ["another minor version", { ...all, kubectl: "Client Version: v1.32.4-dispatcher" }],
  ["no version", { ...all, "kube-scheduler": "" }],
])("one with %s makes all of them come from elsewhere", async (_, versions) => {
  const target = onPath(versions);
  expect(await copiedFromPath(kubernetes(), target)).toBe(false);
  expect(readdirSync(target)).toEqual([]);
});

test("a program that is missing makes all of them come from elsewhere", async () => {
  const target = onPath({ "kube-apiserver": "Kubernetes v1.36.9" });
  expect(await copiedFromPath(kubernetes(), target)).toBe(false);
  expect(readdirSync(target)).toEqual([]);
});
