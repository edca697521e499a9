/** `lab/run verify`: the checks that do not run the product. */
import { closeSync, openSync, readFileSync, readSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { attempt, handOver, isOnPath } from "./command";
import { longLines } from "./longLines";
import { checkout } from "./paths";
import { say } from "./progress";

const SKIPPED = new Set(["node_modules", "bin", ".git", ".site", "coverage"]);

/** Programs that need not be installed, and the files that they check. */
const OPTIONAL: Readonly<Record<string, string>> = { "nix-instantiate": "*.nix", gofmt: "*.go" };

/** Runs all checks of the tree at `root`, also after one failed. Returns an exit code. */
export async function verify(root = checkout): Promise<number> {
  const files = filesBelow(root, "");
  const shell = files.filter((file) => isShellScript(join(root, file)));
  const nix = files.filter((file) => file.endsWith(".nix"));
  const go = files.filter((file) => file.endsWith(".go"));
  const checks: [string, ...string[]][] = [
    ["tsc", "--noEmit"],
    ["eslint", "."],
    ["prettier", "--check", "--log-level", "warn", "."],
    ["shellcheck", ...shell],
    ["nix-instantiate", "--parse", ...nix],
  ];
  // Without files gofmt reads its standard input.
  if (go.length > 0) checks.push(["gofmt", "-l", ...go]);
  const failed: string[] = [];
  for (const check of checks) {
    const [program] = check;
    const optional = OPTIONAL[program];
    if (optional !== undefined && !isOnPath(program)) {
      say(`verify: ${program} is not installed: skipping ${optional} files`);
    } else if (!isOnPath(program)) {
      say(`verify: ${program} is not installed: apt-get install ${program}`);
      failed.push(program);
    } else if (!(await passes(check, root))) {
      failed.push(program);
    }
  }
  const long = [...shell, ...nix, ...go].flatMap((file) =>
    longLines(file, readFileSync(join(root, file), "utf8")),
  );
  if (long.length > 0) {
    say(`verify: lines over 100 columns:\n  ${long.join("\n  ")}`);
    failed.push("line lengths");
  }
  say(failed.length === 0 ? "verify: all passed" : `verify: failed: ${failed.join(", ")}`);
  return failed.length === 0 ? 0 : 1;
}

async function passes(check: [string, ...string[]], root: string): Promise<boolean> {
  const [program] = check;
  if (OPTIONAL[program] === undefined) return (await handOver(check, { cwd: root })) === 0;
  const result = await attempt(check, { cwd: root });
  // nix-instantiate prints the parsed files. gofmt prints the names of unformatted files, and
  // succeeds.
  const unformatted = program === "gofmt" ? result.stdout : "";
  const passed = result.code === 0 && unformatted === "";
  if (!passed) say(`${result.stderr}${unformatted}`);
  return passed;
}

/** Recognises a shell script by its extension or its first line. */
function isShellScript(file: string): boolean {
  if (file.endsWith(".sh")) return true;
  const start = Buffer.alloc(32);
  const opened = openSync(file, "r");
  readSync(opened, start);
  closeSync(opened);
  return /^#!\S*\/(env )?(ba)?sh\n/.test(start.toString("latin1"));
}

function filesBelow(root: string, directory: string): string[] {
  return readdirSync(join(root, directory), { withFileTypes: true })
    .filter((entry) => !SKIPPED.has(entry.name))
    .flatMap((entry) => {
      const path = join(directory, entry.name);
      if (entry.isDirectory()) return filesBelow(root, path);
      return entry.isFile() ? [path] : [];
    });
}
