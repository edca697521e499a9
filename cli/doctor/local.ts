/** What this machine lacks. */
import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import { treesBehindLinks } from "../../components/links";
import { OLDEST_NODE } from "../../components/nodeVersion";
import type { Finding } from "../commands/doctor";
import { run as runPulumi, stackOption } from "../state/pulumi";

/** Before it the S3 backend fails with some compatible stores. */
const OLDEST_PULUMI = [3, 256];

const here = (what: string, remedy: string): Finding => ({ where: "this machine", what, remedy });

export async function localFindings(
  directory: string,
  stack: string | undefined,
): Promise<Finding[]> {
  const [pulumi, nix, git] = await Promise.all([
    versionOf("pulumi", "version"),
    versionOf("nix", "--version"),
    versionOf("git", "--version"),
  ]);
  return [
    ...tooOld("Node", process.versions.node, [OLDEST_NODE], "https://nodejs.org/en/download"),
    ...tooOld("Pulumi", pulumi, OLDEST_PULUMI, "https://www.pulumi.com/docs/install/"),
    ...tooOld("Nix", nix, [2, 4], "https://nixos.org/download/"),
    ...(git === undefined
      ? [here("git is not on PATH", "Install git: Nix reads the flake with it.")]
      : []),
    ...(pulumi === undefined ? [] : await stackFindings(directory, stack)),
    ...bigLinks(directory),
  ];
}

/** The first number with dots in what the program prints. Undefined without the program. */
async function versionOf(program: string, ...args: string[]): Promise<string | undefined> {
  try {
    const { stdout } = await promisify(execFile)(program, args, { timeout: 30_000 });
    return /\d+(\.\d+)+/.exec(stdout)?.[0] ?? "";
  } catch {
    return undefined;
  }
}

export function tooOld(
  name: string,
  version: string | undefined,
  oldest: readonly number[],
  source: string,
): Finding[] {
  const needed = oldest.join(".");
  if (version === undefined) {
    return [here(`${name} is not on PATH`, `Install ${name} ${needed} or newer: ${source}`)];
  }
  const parts = version.split(".").map(Number);
  const difference = oldest
    .map((part, index) => (parts[index] ?? 0) - part)
    .find((one) => one !== 0);
  if (difference === undefined || difference > 0) return [];
  return [here(`${name} ${version} is too old`, `Install ${name} ${needed} or newer: ${source}`)];
}

/** The backend, the stack and its secrets. */
async function stackFindings(directory: string, stack: string | undefined): Promise<Finding[]> {
  const args = ["stack", "export", "--show-secrets", ...stackOption(stack)];
  const { code, stderr } = await runPulumi(directory, args);
  if (code === 0) return [];
  const remedy =
    "Look at `pulumi whoami -v`, `pulumi stack ls`, and PULUMI_CONFIG_PASSPHRASE or its file.";
  return [here(`the stack cannot be read: ${stderr.trim()}`, remedy)];
}

/** Links that make each run slow. */
function bigLinks(directory: string): Finding[] {
  return treesBehindLinks(directory).map(({ link, target }) =>
    here(
      `${join(directory, link)} links to ${target}: Pulumi reads that whole tree in each preview`,
      "Remove the link, and build with: nix build --no-link",
    ),
  );
}
