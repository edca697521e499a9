/**
 * Stands in for nix-eval-jobs, which no registry here has, by the contract in its README and sources: options as documented,
 * `--select` on the evaluation's root, one JSON line a derivation with attr, attrPath, drvPath and outputs, `--apply`'s
 * value as extraValue, an error in a line of its own and exit 0. That is so at each attribute that it comes by, also at a
 * set of machines and at the root; only what keeps a worker from beginning (evaluating the flake's output and calling
 * `--select` with it) is an error on standard error and exit 1. Real Nix evaluates whatever it is given. Left out: workers (it takes their number), restarts by memory, GC roots, meta.
 */
import { chmodSync, existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { delimiter, join } from "node:path";

const PROGRAM = `#!/usr/bin/env node
const { spawnSync } = require("node:child_process");
const { appendFileSync } = require("node:fs");
const words = process.argv.slice(2);
appendFileSync(__filename + ".calls", JSON.stringify(words) + "\\n");
const HELP = "  --apply    Apply provided Nix function to each derivation.\\n  --select   Apply provided Nix function\\n";
if (words.includes("--help")) { process.stdout.write(HELP); process.exit(0); }
const known = { "--flake": 1, "--select": 1, "--apply": 1, "--workers": 1, "--override-input": 2, "--option": 2, "--show-trace": 0 };
const given = {};
while (words.length > 0) {
  const option = words.shift();
  if (!(option in known)) { process.stderr.write("error: unrecognised flag '" + option + "'\\n"); process.exit(1); }
  given[option] = words.splice(0, known[option]);
}
const [flake] = given["--flake"];
const nix = (apply) => spawnSync("nix", ["--option", ...given["--option"], "eval", "--json", "--show-trace",
  "--no-write-lock-file", "--override-input", ...given["--override-input"], flake, "--apply", apply],
  { encoding: "utf8", maxBuffer: 1e8 });
const root = "(" + given["--select"][0] + ") root";
const isJob = '(value: builtins.isAttrs value && (value.type or "") == "derivation")';
const begun = nix("root: builtins.isAttrs (" + root + ")");
if (begun.status !== 0) { process.stderr.write(begun.stderr); process.exit(1); }
const visit = (path) => {
  const value = ["(" + root + ")", ...path.map((name) => '"' + name + '"')].join(".");
  const told = nix("root: let value = " + value + "; recurse = " + (path.length === 0) + " || (value.recurseForDerivations or false); in " +
    "if " + isJob + " value then { job = { inherit (value) name drvPath; outputs.out = value.outPath; extraValue = (" +
    given["--apply"][0] + ") value; }; } else { attrs = if builtins.isAttrs value && recurse then builtins.attrNames value else [ ]; }");
  const reply = told.status === 0 ? JSON.parse(told.stdout) : { job: { error: told.stderr } };
  if (told.status !== 0) process.stderr.write(told.stderr);
  if ("job" in reply) console.log(JSON.stringify({ attr: path.join("."), attrPath: path, ...reply.job }));
  for (const name of reply.attrs ?? []) visit([...path, name]);
};
visit([]);
`;

/** Puts it on the PATH, in a directory of the test's own. */
export class EvalJobs {
  private readonly file: string;
  private readonly before = process.env["PATH"];

  constructor(directory: string, program = PROGRAM) {
    this.file = join(directory, "nix-eval-jobs");
    writeFileSync(this.file, program);
    chmodSync(this.file, 0o755);
    process.env["PATH"] = [directory, this.before].join(delimiter);
  }

  /** The words of each call since the last time that it was asked, but those for help. */
  calls(): string[][] {
    const log = `${this.file}.calls`;
    const lines = existsSync(log) ? readFileSync(log, "utf8").trimEnd().split("\n") : [];
    rmSync(log, { force: true });
    return lines
      .map((line): string[] => {
        const words: unknown = JSON.parse(line);
        return Array.isArray(words) ? words.map(String) : [];
      })
      .filter((words) => !words.includes("--help"));
  }

  remove(): void {
    process.env["PATH"] = this.before;
  }
}
