/** `lab/run verify`: the checks that do not run the product. */
import { closeSync, openSync, readSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { attempt, handOver, isOnPath } from "./command";
import { checkout } from "./paths";
import { say } from "./progress";

const SKIPPED = new Set(["node_modules", "bin", ".git", ".site", "coverage"]);

/** Runs all checks, also after one failed. */
export async function verify(): Promise<number> {
  const files = filesBelow("");
  const shell = files.filter(isShellScript);
  const nix = files.filter((file) => file.endsWith(".nix"));
  const checks: [string, ...string[]][] = [
    ["tsc", "--noEmit"],
    ["eslint", "."],
    ["prettier", "--check", "--log-level", "warn", "."],
    ["shellcheck", ...shell],
    ["nix-instantiate", "--parse", ...nix],
  ];
  const failed: string[] = [];
  for (const check of checks) {
    const [program] = check;
    if (program === "nix-instantiate" && !isOnPath(program)) {
      say("verify: nix is not installed: skipping *.nix files");
    } else if (!isOnPath(program)) {
      say(`verify: ${program} is not installed: apt-get install ${program}`);
      failed.push(program);
    } else if (!(await passes(check))) {
      failed.push(program);
    }
  }
  say(failed.length === 0 ? "verify: all passed" : `verify: failed: ${failed.join(", ")}`);
  return failed.length === 0 ? 0 : 1;
}

/** nix-instantiate prints what it parsed. Only its errors are of use. */
async function passes(check: [string, ...string[]]): Promise<boolean> {
  if (check[0] !== "nix-instantiate") return (await handOver(check, { cwd: checkout })) === 0;
  const result = await attempt(check, { cwd: checkout });
  if (result.code !== 0) say(result.stderr);
  return result.code === 0;
}

/** By its name, or by its first line. */
function isShellScript(file: string): boolean {
  if (file.endsWith(".sh")) return true;
  const start = Buffer.alloc(32);
  const opened = openSync(join(checkout, file), "r");
  readSync(opened, start);
  closeSync(opened);
  return /^#!\S*\/(env )?(ba)?sh\n/.test(start.toString("latin1"));
}

function filesBelow(directory: string): string[] {
  return readdirSync(join(checkout, directory), { withFileTypes: true })
    .filter((entry) => !SKIPPED.has(entry.name))
    .flatMap((entry) => {
      const path = join(directory, entry.name);
      if (entry.isDirectory()) return filesBelow(path);
      return entry.isFile() ? [path] : [];
    });
}
