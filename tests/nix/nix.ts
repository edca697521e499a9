/** Evaluates Nix expressions without a store. It builds nothing. */
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { loadSite, parseSite } from "../../site/load";
import { siteJson } from "../../site/siteJson";

export const repository = resolve(__dirname, "../..");

interface Result {
  code: number | null;
  stdout: string;
  stderr: string;
}

/** The store `dummy://` is empty, so that the tests need neither a store nor a daemon. */
export function instantiate(args: string[], environment: Record<string, string> = {}): Result {
  const home = mkdtempSync(join(tmpdir(), "pulumi-microvm-nix-"));
  try {
    const { status, stdout, stderr, error } = spawnSync("nix-instantiate", args, {
      cwd: repository,
      encoding: "utf8",
      maxBuffer: 64 * 1024 * 1024,
      env: { ...process.env, NIX_REMOTE: "dummy://", HOME: home, ...environment },
    });
    if (error !== undefined) throw error;
    return { code: status, stdout, stderr };
  } finally {
    rmSync(home, { recursive: true, force: true });
  }
}

/** The value of `expression`. `t` is tests/nix/evaluate.nix, and `site` the parsed site.json. */
export function evaluate(expression: string, site = "null"): unknown {
  const result = attempt(expression, site);
  if (result.code !== 0) throw new Error(result.stderr);
  return JSON.parse(result.stdout);
}

/** The value of `expression`, and the evaluation warnings that Nix printed. */
export function evaluateWithWarnings(
  expression: string,
  site = "null",
): { value: unknown; warnings: string[] } {
  const result = attempt(expression, site);
  if (result.code !== 0) throw new Error(result.stderr);
  const lines = result.stderr.split("\n");
  const found = lines.map((line) => /^(?:trace: )?evaluation warning: (.*)$/.exec(line)?.[1]);
  return {
    value: JSON.parse(result.stdout),
    warnings: found.filter((warning) => warning !== undefined),
  };
}

/** What Nix prints when the evaluation fails. */
export function complaint(expression: string, site = "null"): string {
  const result = attempt(expression, site);
  if (result.code === 0) throw new Error(`did not fail, but gave ${result.stdout}`);
  return result.stderr;
}

function attempt(expression: string, site: string): Result {
  const text = `let
    t = import ${repository}/tests/nix/evaluate.nix;
    site = builtins.fromJSON (builtins.getEnv "SITE_JSON");
  in ${expression}`;
  const args = ["--eval", "--strict", "--json", "--show-trace", "--expr", text];
  return instantiate(args, { SITE_JSON: site });
}

/** site.json of one of our stacks, written by the code of the program. */
export function stackJson(name: string): string {
  return siteJson(loadSite(join(repository, "stacks", `${name}.yaml`)));
}

/** site.json of a stack after an edit of its YAML. */
export function edited(stack: string, edit: (text: string) => string): string {
  const file = join(repository, "stacks", `${stack}.yaml`);
  const text = readFileSync(file, "utf8");
  const changed = edit(text);
  expect(changed).not.toBe(text);
  return siteJson(parseSite(changed, file));
}
