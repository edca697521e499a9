/**
 * The cache of evaluations on the operator's machine. Each file is the output of `nix eval`, named
 * by the key of its identity. A file that cannot be used counts as absent.
 */
import { existsSync, mkdirSync, readFileSync, readdirSync, renameSync, rmSync } from "node:fs";
import { statSync, utimesSync, writeFileSync } from "node:fs";
import { homedir } from "node:os";
import { isAbsolute, join } from "node:path";
import { derivationsOf, parseOutput } from "./output";
import type { FlakeOutput } from "./output";

/** The least recently used files beyond this number are removed. */
const MAX_FILES = 32;

/** `$XDG_CACHE_HOME/pulumi-microvm/evaluations`; by default below ~/.cache. */
export function cacheDirectory(environment: NodeJS.ProcessEnv = process.env): string {
  const base = environment["XDG_CACHE_HOME"] ?? "";
  const cache = isAbsolute(base) ? base : join(homedir(), ".cache");
  return join(cache, "pulumi-microvm", "evaluations");
}

/**
 * The evaluation with this key. Undefined if a derivation that it names is no longer in the local
 * store: after a garbage collection only an evaluation makes it again.
 */
export function readCache(directory: string, key: string): FlakeOutput | undefined {
  const file = fileOf(directory, key);
  const output = parseOutput(readIfExists(file) ?? "");
  if ("fault" in output || !derivationsOf(output).every((path) => existsSync(path))) {
    return undefined;
  }
  touch(file);
  return output;
}

/** Writes the JSON of an evaluation atomically, readable for its owner alone. Throws. */
export function writeCache(directory: string, key: string, json: string): void {
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  const file = fileOf(directory, key);
  const unfinished = `${file}.${process.pid}`;
  writeFileSync(unfinished, json, { mode: 0o600 });
  renameSync(unfinished, file);
  removeOldest(directory);
}

function fileOf(directory: string, key: string): string {
  return join(directory, `${key}.json`);
}

/** This also removes unfinished files of killed runs, in time. */
function removeOldest(directory: string): void {
  readdirSync(directory)
    .map((name) => join(directory, name))
    .flatMap((file) => {
      const status = statSync(file, { throwIfNoEntry: false });
      return status === undefined ? [] : [{ file, usedMs: status.mtimeMs }];
    })
    .sort((a, b) => b.usedMs - a.usedMs)
    .slice(MAX_FILES)
    .forEach(({ file }) => rmSync(file, { force: true }));
}

function touch(file: string): void {
  const now = new Date();
  try {
    utimesSync(file, now, now);
  } catch {
    // Only the order of removal depends on it.
  }
}

function readIfExists(file: string): string | undefined {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return undefined;
  }
}
