/** The lab's directories. */
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync } from "node:fs";
import { homedir } from "node:os";
import { dirname, join, resolve } from "node:path";

/** The checkout. This file is compiled to bin/lab/. */
export const checkout = resolve(__dirname, "..", "..");
export const labSource = join(checkout, "lab");

function base(variable: string, fallback: string): string {
  const value = process.env[variable];
  return value === undefined || value === "" ? join(homedir(), fallback) : value;
}

/** Shared by all checkouts. `down` keeps it. */
export const cacheDirectory = join(base("XDG_CACHE_HOME", ".cache"), "pulumi-microvm");

const defaultStateDirectory = join(base("XDG_STATE_HOME", ".local/state"), "pulumi-microvm", "lab");

/** The running lab. `down` removes it. With another directory a second lab can run beside it. */
export const stateDirectory = resolve(
  process.env["PULUMI_MICROVM_LAB_DIR"] ?? defaultStateDirectory,
);

/** A short hash of texts in their order. */
export function hashOf(...texts: string[]): string {
  const hash = createHash("sha256");
  for (const text of texts) hash.update(`${text.length}:${text}`);
  return hash.digest("hex").slice(0, 16);
}

/** The directories of all labs of a test run: the lab's own, and more beside it. */
export function labDirectories(count: number): string[] {
  return Array.from({ length: count }, (_, index) =>
    index === 0 ? stateDirectory : `${stateDirectory}-${index + 1}`,
  );
}

/** The lab's stack. Labs of one checkout need different stacks: their settings lie in it. */
export const labStack = process.env["PULUMI_MICROVM_LAB_STACK"] ?? stackOfLab(1);

/** The stack of the nth lab of a test run; tests/lab/setup.ts uses the same names. */
export function stackOfLab(number: number): string {
  return number === 1 ? "lab" : `lab${number}`;
}

/** The start of the lab's names on this machine: namespaces, control groups, machines. */
export const labName =
  stateDirectory === defaultStateDirectory
    ? "pmvlab"
    : `pmvlab-${hashOf(stateDirectory).slice(0, 6)}`;

/** A hash of the names and contents of all files below a directory. */
export function hashOfFiles(directory: string): string {
  const names = readdirSync(directory, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .sort();
  return hashOf(
    ...names.flatMap((name) => [name.slice(directory.length), readFileSync(name, "utf8")]),
  );
}

/** Makes a directory once. `make` works in another place, so an unfinished one never counts. */
export async function madeOnce(
  path: string,
  make: (partial: string) => Promise<void>,
): Promise<string> {
  if (existsSync(path)) return path;
  const partial = `${path}.partial`;
  rmSync(partial, { recursive: true, force: true });
  mkdirSync(dirname(path), { recursive: true });
  await make(partial);
  renameSync(partial, path);
  return path;
}
