/** Child processes: run one and keep its output, or give it this terminal. */
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { constants } from "node:os";
import { delimiter, join } from "node:path";

export interface CommandOptions {
  cwd?: string;
  env?: NodeJS.ProcessEnv;
  /** Text for its standard input. Default: empty. */
  input?: string;
  /** The command is killed after this time. Default: 600. */
  timeoutSeconds?: number;
  /** Called with each piece of standard error, which is also in the result. */
  onStderr?: (text: string) => void;
}

export interface CommandResult {
  code: number;
  stdout: string;
  stderr: string;
}

/** A command failed. The message ends with the command's output. */
export class CommandError extends Error {}

/** Runs a command. A failed one is a result too. */
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
    child.stderr.on("data", (chunk: Buffer) => {
      stderr.push(chunk);
      options.onStderr?.(chunk.toString());
    });
    child.on("error", (error) => finish(127, error.message));
    child.on("close", (code, signal) =>
      finish(exitCode(code, signal), late ? `\nkilled after ${timeoutSeconds} s` : ""),
    );
    // A command that does not read its input may exit before all of it is written.
    child.stdin.on("error", () => undefined);
    child.stdin.end(options.input ?? "");
  });
}

/** Runs a command that must succeed, and returns its standard output. */
export async function run(
  command: readonly string[],
  options: CommandOptions = {},
): Promise<string> {
  const result = await attempt(command, options);
  if (result.code !== 0) throw new CommandError(failure(command, result));
  return result.stdout;
}

/** Runs a command on this terminal, and returns its exit code. */
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
    // A terminal signals the whole foreground group. The child decides whether to end.
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

/** `COMMAND: exit code N: LAST LINES OF ITS OUTPUT`. */
export function failure(command: readonly string[], result: CommandResult): string {
  const said = (result.stderr.trim() || result.stdout.trim()).split("\n").slice(-15).join("\n");
  return `${command.slice(0, 4).join(" ")}: exit code ${result.code}: ${said}`;
}

/** As in a shell: a signal is 128 and its number. */
function exitCode(code: number | null, signal: NodeJS.Signals | null): number {
  return code ?? 128 + (signal === null ? 0 : constants.signals[signal]);
}

export function isOnPath(program: string): boolean {
  const directories = (process.env["PATH"] ?? "").split(delimiter);
  return directories.some((directory) => existsSync(join(directory, program)));
}
