/** Runs Pulumi's commands that only read. */
import { spawn } from "node:child_process";
import { CliError, EXIT } from "../errors";

/** Stdout of `pulumi ARGS`. Its own message is the error if it fails. */
export async function pulumiText(directory: string, args: readonly string[]): Promise<string> {
  const { code, stdout, stderr } = await run(directory, args);
  if (code === 0) return stdout;
  throw new CliError(
    `pulumi ${args[0] ?? ""}: ${stderr.trim() || `exit code ${code}`}`,
    EXIT.failed,
  );
}

/** The same; undefined if it fails. */
export async function tryPulumi(
  directory: string,
  args: readonly string[],
): Promise<string | undefined> {
  const { code, stdout } = await run(directory, args);
  return code === 0 ? stdout.trim() : undefined;
}

export function run(
  cwd: string,
  args: readonly string[],
): Promise<{ code: number; stdout: string; stderr: string }> {
  return new Promise((resolve, reject) => {
    const child = spawn("pulumi", [...args, "--non-interactive", "--color=never"], {
      cwd,
      env: process.env,
      stdio: ["ignore", "pipe", "pipe"],
    });
    let [stdout, stderr] = ["", ""];
    child.stdout.setEncoding("utf8").on("data", (text: string) => (stdout += text));
    child.stderr.setEncoding("utf8").on("data", (text: string) => (stderr += text));
    child.on("error", reject);
    child.on("close", (code) => resolve({ code: code ?? 1, stdout, stderr }));
  });
}

export const stackOption = (stack: string | undefined): string[] =>
  stack === undefined ? [] : [`--stack=${stack}`];

export async function selectedStack(directory: string, stack: string | undefined): Promise<string> {
  if (stack !== undefined) return stack.split("/").pop() ?? stack;
  const name = await tryPulumi(directory, ["stack", "--show-name"]);
  if (name !== undefined && name !== "") return name;
  throw new CliError(
    "no stack is selected",
    EXIT.usage,
    "Pass --stack NAME, or run: pulumi stack select NAME",
  );
}
