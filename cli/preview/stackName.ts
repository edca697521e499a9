/** The name of a stack for a preview that failed before it said which it is. */
import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { parse } from "yaml";
import { z } from "zod";

const TIMEOUT_MS = 30_000;

/** `PROJECT/STACK`. Empty if there is no project, or no stack is selected. */
export async function fullStackName(directory: string, stack: string | undefined): Promise<string> {
  const project = projectName(directory);
  const name = stack?.split("/").pop() ?? (await selectedStack(directory));
  return project === "" || name === "" ? "" : `${project}/${name}`;
}

function projectName(directory: string): string {
  try {
    const text = readFileSync(join(directory, "Pulumi.yaml"), "utf8");
    return z.object({ name: z.string() }).parse(parse(text)).name;
  } catch {
    return "";
  }
}

async function selectedStack(cwd: string): Promise<string> {
  try {
    const command = ["stack", "--show-name", "--non-interactive"];
    const { stdout } = await promisify(execFile)("pulumi", command, { cwd, timeout: TIMEOUT_MS });
    return stdout.trim();
  } catch {
    return "";
  }
}
