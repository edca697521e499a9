/**
 * Evaluations that are kept on the operator's machine: a directory of files, each what `nix eval` printed,
 * under the key of its identity. Whatever is wrong with one, the answer is to evaluate anew.
 */
import { existsSync, mkdirSync, readFileSync, readdirSync, renameSync, rmSync } from "node:fs";
import { statSync, utimesSync, writeFileSync } from "node:fs";
import { homedir } from "node:os";
import { isAbsolute, join } from "node:path";
import { derivationsOf, parseOutput } from "./output";
import type { FlakeOutput } from "./output";

/** As many as stay, the last used ones. */
const MOST_KEPT = 32;

/** `$XDG_CACHE_HOME/pulumi-microvm/evaluations`; without that variable below ~/.cache. */
export function keptDirectory(environment: NodeJS.ProcessEnv = process.env): string {
  const base = environment["XDG_CACHE_HOME"] ?? "";
  const cache = isAbsolute(base) ? base : join(homedir(), ".cache");
  return join(cache, "pulumi-microvm", "evaluations");
}

/**
 * What is kept under `key`, as long as every derivation that it names is still in the local store: a garbage
 * collection takes them, and only an evaluation makes them again.
 */
export function readKept(directory: string, key: string): FlakeOutput | undefined {
  const file = fileOf(directory, key);
  const output = parseOutput(readIfThere(file) ?? "");
  if ("fault" in output || !derivationsOf(output).every((path) => existsSync(path))) {
    return undefined;
  }
  touch(file);
  return output;
}

/** Keeps the JSON of an evaluation, whole or not at all, readable for its owner alone. Throws. */
export function keep(directory: string, key: string, json: string): void {
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

/** Also what a killed run left unfinished gets old. */
function removeOldest(directory: string): void {
  readdirSync(directory)
    .map((name) => join(directory, name))
    .flatMap((file) => {
      const status = statSync(file, { throwIfNoEntry: false });
      return status === undefined ? [] : [{ file, usedMs: status.mtimeMs }];
    })
    .sort((a, b) => b.usedMs - a.usedMs)
    .slice(MOST_KEPT)
    .forEach(({ file }) => rmSync(file, { force: true }));
}

function touch(file: string): void {
  const now = new Date();
  try {
    utimesSync(file, now, now);
  } catch {
    // It was read; that it counts as used a while ago does no harm.
  }
}

function readIfThere(file: string): string | undefined {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return undefined;
  }
}
