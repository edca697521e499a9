/** The two commands of Nix that the program has run, and the program `nix` itself. */
import { execFile } from "node:child_process";
import { accessSync, constants, realpathSync, statSync } from "node:fs";
import { delimiter, join } from "node:path";
import { promisify } from "node:util";
import { OUTPUT } from "./output";

/** Runs a shell command on this machine and answers its standard output; rejects when it fails. */
export type Run = (command: string, environment: Record<string, string>) => Promise<string>;

/** By plugin `command`, whose errors hold all that was printed. It is loaded only for this. */
export const runLocally: Run = async (command, environment) => {
  const { local } = await import("@pulumi/command");
  return (await local.run({ command, environment, logging: "none" })).stdout;
};

/** Metadata of a flake with hundreds of inputs is below a megabyte. */
const MAX_OUTPUT_BYTES = 16 * 1024 * 1024;

/** By the program itself: a pass whose evaluation is kept starts no plugin for it. */
export const runDirectly: Run = async (command, environment) => {
  const { stdout } = await promisify(execFile)("/bin/sh", ["-c", command], {
    env: { ...withoutConfiguration(process.env), ...environment },
    maxBuffer: MAX_OUTPUT_BYTES,
  });
  return stdout;
};

/** The engine hands the stack's configuration to the program by its environment, secrets opened. */
function withoutConfiguration(environment: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  const kept = Object.entries(environment).filter(([name]) => !name.startsWith("PULUMI_CONFIG"));
  return Object.fromEntries(kept);
}

/** The file that is run under a name. Asking it for its version would take a process for each pass. */
export interface Program {
  /** Without symbolic links: on NixOS a store path. */
  file: string;
  size: number;
  modifiedMs: number;
}

/** The program of that name that a shell would find. */
export function findProgram(name: string, path = process.env["PATH"] ?? ""): Program | undefined {
  for (const directory of path.split(delimiter)) {
    try {
      const found = join(directory, name);
      accessSync(found, constants.X_OK);
      const file = realpathSync(found);
      const status = statSync(file);
      if (status.isFile()) return { file, size: status.size, modifiedMs: status.mtimeMs };
    } catch {
      continue;
    }
  }
  return undefined;
}

/** What both commands get by their environment; nothing of the site is in their text. */
export interface References {
  flake: string;
  site: string;
}

const NIX = 'nix --extra-experimental-features "nix-command flakes"';
const WITH_SITE = '--no-write-lock-file --override-input site "$MICROVM_SITE"';

/** The JSON of `nix flake metadata`. */
export function metadata(run: Run, references: References): Promise<string> {
  return run(
    `exec ${NIX} flake metadata --json ${WITH_SITE} "$MICROVM_FLAKE"`,
    environmentOf(references),
  );
}

/**
 * The JSON of the flake's output. Nix prints the machines as it comes to them, so what it printed before
 * it failed is held back. Its whole trace is wanted: the machine's name may stand at the end of it.
 */
export function evaluateOutput(run: Run, references: References): Promise<string> {
  return run(
    `json=$(${NIX} eval --json --show-trace ${WITH_SITE} "$MICROVM_FLAKE#${OUTPUT}") && printf '%s' "$json"`,
    environmentOf(references),
  );
}

export function environmentOf({ flake, site }: References): Record<string, string> {
  return { MICROVM_FLAKE: flake, MICROVM_SITE: site };
}

const FIRST_LINES = 60;
const LAST_LINES = 140;

/**
 * Nix's own words without the command in front of them. A long trace loses its middle: the error is at one
 * end of it and the machine's name at the other, which is which depends on Nix's version.
 */
export function nixMessage(error: unknown): string {
  const message = error instanceof Error ? error.message : String(error);
  const words = message.replace(/^.*?running "(?:[^"\\]|\\.)*":\n/s, "").trim();
  const lines = words.split("\n");
  const left = lines.length - FIRST_LINES - LAST_LINES;
  if (left <= 0) return words;
  const gap = `... ${left} lines of the trace are left out ...`;
  return [...lines.slice(0, FIRST_LINES), gap, ...lines.slice(-LAST_LINES)].join("\n");
}
