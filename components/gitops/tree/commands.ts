/** The programs that read a tree: kustomize, git and sops. None of them is run by a shell. */
import { spawn } from "node:child_process";
import { findProgram, withoutConfiguration } from "../../evaluation/nix";

/** What a command does beside its arguments. */
export interface CommandOptions {
  directory?: string;
  stdin?: string;
  environment?: Record<string, string>;
}

/** What the command has printed to stdout. Rejects with what it printed to stderr. */
export type Command = (
  program: string,
  args: readonly string[],
  options?: CommandOptions,
) => Promise<string>;

/** A command failed, or its program is not on the PATH. */
export class CommandError extends Error {}

/** Builds of kustomize may fetch bases; everything else takes less than a second. */
const DEADLINE_MS = 120_000;

export const runCommand: Command = (program, args, options = {}) =>
  new Promise((resolve, reject) => {
    const { directory, stdin = "", environment = {} } = options;
    const child = spawn(program, args, {
      ...(directory !== undefined && { cwd: directory }),
      env: { ...withoutConfiguration(process.env), ...environment },
      timeout: DEADLINE_MS,
    });
    const out: Buffer[] = [];
    const err: Buffer[] = [];
    child.stdout.on("data", (part: Buffer) => out.push(part));
    child.stderr.on("data", (part: Buffer) => err.push(part));
    child.on("error", (error) => {
      const isAbsent = "code" in error && error.code === "ENOENT";
      const remedy = `${program} is not on the PATH of the machine that runs Pulumi; install it`;
      reject(new CommandError(isAbsent ? remedy : error.message));
    });
    child.on("close", (code, signal) => {
      if (code === 0) {
        resolve(Buffer.concat(out).toString());
        return;
      }
      const words = Buffer.concat(err).toString().trim();
      const why = signal === null ? `exit code ${code ?? "?"}` : `ended by ${signal}`;
      reject(new CommandError(words === "" ? why : words));
    });
    // A program that ends early has said why.
    child.stdin.on("error", () => undefined);
    child.stdin.end(stdin);
  });

/** What reads a tree. Tests replace them. */
export interface Programs {
  command: Command;
  /** The build of a directory: YAML documents. */
  kustomize: (directory: string) => Promise<string>;
}

const INSTALL = "install kubectl, or kustomize 5.7 or newer, on the machine that runs Pulumi";

/** As fluxcd/pkg kustomize_generator.go builds (Build): files may be outside of the directory. */
async function kustomize(directory: string): Promise<string> {
  const restrict = ["--load-restrictor", "LoadRestrictionsNone"];
  if (findProgram("kustomize") !== undefined) {
    return runCommand("kustomize", ["build", directory, ...restrict]);
  }
  if (findProgram("kubectl") === undefined) {
    throw new CommandError(`neither kubectl nor kustomize is on the PATH; ${INSTALL}`);
  }
  return runCommand("kubectl", ["kustomize", directory, ...restrict]);
}

export const PROGRAMS: Programs = { command: runCommand, kustomize };
