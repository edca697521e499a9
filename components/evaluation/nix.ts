/** The two Nix commands that the program runs, and how it finds programs. */
import { execFile } from "node:child_process";
import { accessSync, constants, realpathSync, statSync } from "node:fs";
import { delimiter, join } from "node:path";
import { promisify } from "node:util";
import { OUTPUT } from "./output";

/** What a command has printed. */
export interface Printed {
  stdout: string;
  stderr: string;
}

/** Runs a shell command on this machine. Rejects if it fails. */
export type Run = (command: string, environment: Record<string, string>) => Promise<Printed>;

/** By the plugin `command`, whose errors contain all output. Loaded only when it is needed. */
export const runLocally: Run = async (command, environment) => {
  const { local } = await import("@pulumi/command");
  const { stdout, stderr } = await local.run({ command, environment, logging: "none" });
  return { stdout, stderr };
};

/** The metadata of a flake with hundreds of inputs is less than a megabyte. */
const MAX_OUTPUT_BYTES = 16 * 1024 * 1024;

/** Without a plugin, so that a pass with a cached evaluation does not start one. */
export const runDirectly: Run = (command, environment) => {
  return promisify(execFile)("/bin/sh", ["-c", command], {
    env: { ...withoutConfiguration(process.env), ...environment },
    maxBuffer: MAX_OUTPUT_BYTES,
  });
};

/** The engine passes the stack's configuration in the environment, with secrets decrypted. */
export function withoutConfiguration(environment: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  const kept = Object.entries(environment).filter(([name]) => !name.startsWith("PULUMI_CONFIG"));
  return Object.fromEntries(kept);
}

/** An executable. Its version would take a process in each pass, so size and time identify it. */
export interface Program {
  /** With symbolic links resolved: on NixOS a store path. */
  file: string;
  size: number;
  modifiedMs: number;
}

/** The program that a shell would find by this name. */
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

/** Passed to both commands in the environment, so that no text of the site is in a command. */
export interface References {
  flake: string;
  site: string;
}

const NIX = 'nix --extra-experimental-features "nix-command flakes"';
const WITH_SITE = '--no-write-lock-file --override-input site "$MICROVM_SITE"';

/** The JSON of `nix flake metadata`. */
export async function metadata(run: Run, references: References): Promise<string> {
  const { stdout } = await run(
    `exec ${NIX} flake metadata --json ${WITH_SITE} "$MICROVM_FLAKE"`,
    environmentOf(references),
  );
  return stdout;
}

/**
 * The JSON of the flake's output, and the messages of Nix. Nix prints machines while it evaluates,
 * so the output is held back until it has succeeded. The whole trace is required, because the name
 * of the machine may be at its end.
 */
export function evaluateOutput(run: Run, references: References): Promise<Printed> {
  return run(
    `json=$(${NIX} eval --json --show-trace ${WITH_SITE} "$MICROVM_FLAKE#${OUTPUT}") && ` +
      `printf '%s' "$json"`,
    environmentOf(references),
  );
}

export function environmentOf({ flake, site }: References): Record<string, string> {
  return { MICROVM_FLAKE: flake, MICROVM_SITE: site };
}

const FIRST_LINES = 60;
const LAST_LINES = 140;

/**
 * Nix's own message without the command before it. A long trace is cut in the middle, since the
 * error is at one end and the machine's name at the other; which one depends on Nix's version.
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
