/** Child processes: run one and keep its output, or hand it the terminal. */
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { constants } from "node:os";
import { delimiter, join } from "node:path";

export interface CommandOptions {
  cwd?: string;
  env?: NodeJS.ProcessEnv;
  /** Text for its standard input; without it the input is empty. */
  input?: string;
  /** Seconds after which it is killed. Default 600. */
  timeoutSeconds?: number;
}

export interface CommandResult {
  code: number;
  stdout: string;
  stderr: string;
}

/** A command that did not do what was asked: its message ends with what the command said. */
export class CommandError extends Error {}

/** Runs a command and answers its exit code and output, whatever the code. */
export function attempt(
  command: readonly string[],
  options: CommandOptions = {},
): Promise<CommandResult> {
  const [program, ...args] = command;
  if (program === undefined) throw new CommandError("empty command");
  const timeoutSeconds = options.timeoutSeconds ?? 600;
  return new Promise((resolve) => {
    const child = spawn(program, args, { cwd: options.cwd, env: options.env ?? process.env });
    const stdout: Buffer[] = [];
    const stderr: Buffer[] = [];
    let late = false;
    const timer = setTimeout(() => {
      late = true;
      child.kill("SIGKILL");
    }, timeoutSeconds * 1000);
    const finish = (code: number, more: string): void => {
      clearTimeout(timer);
      resolve({
        code,
        stdout: Buffer.concat(stdout).toString(),
        stderr: Buffer.concat(stderr).toString() + more,
      });
    };
    child.stdout.on("data", (chunk: Buffer) => stdout.push(chunk));
    child.stderr.on("data", (chunk: Buffer) => stderr.push(chunk));
    child.on("error", (error) => finish(127, error.message));
    child.on("close", (code, signal) =>
      finish(exitCode(code, signal), late ? `\nstopped after ${timeoutSeconds} s` : ""),
    );
    // A command that does not read its input may be gone before it is written.
    child.stdin.on("error", () => undefined);
    child.stdin.end(options.input ?? "");
  });
}

/** Runs a command that has to succeed and answers its standard output. */
export async function run(
  command: readonly string[],
  options: CommandOptions = {},
): Promise<string> {
  const result = await attempt(command, options);
  if (result.code !== 0) throw new CommandError(failure(command, result));
  return result.stdout;
}

/** Runs a command on this terminal and answers its exit code. */
export function handOver(
  command: readonly string[],
  options: Pick<CommandOptions, "cwd" | "env"> = {},
): Promise<number> {
  const [program, ...args] = command;
  if (program === undefined) throw new CommandError("empty command");
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, {
      cwd: options.cwd,
      env: options.env ?? process.env,
      stdio: "inherit",
    });
    // A terminal signals the whole foreground group; what becomes of it is the child's to decide.
    const ignore = (): void => undefined;
    const pass = (signal: NodeJS.Signals): void => void child.kill(signal);
    process.on("SIGINT", ignore);
    process.on("SIGTERM", pass);
    child.on("error", reject);
    child.on("close", (code, signal) => {
      process.off("SIGINT", ignore);
      process.off("SIGTERM", pass);
      resolve(exitCode(code, signal));
    });
  });
}

/** `COMMAND: exit code N: last lines of what it said`. */
export function failure(command: readonly string[], result: CommandResult): string {
  const said = (result.stderr.trim() || result.stdout.trim()).split("\n").slice(-15).join("\n");
  return `${command.slice(0, 4).join(" ")}: exit code ${result.code}: ${said}`;
}

/** As a shell has it. */
function exitCode(code: number | null, signal: NodeJS.Signals | null): number {
  return code ?? 128 + (signal === null ? 0 : constants.signals[signal]);
}

export function isOnPath(program: string): boolean {
  const directories = (process.env["PATH"] ?? "").split(delimiter);
  return directories.some((directory) => existsSync(join(directory, program)));
}
