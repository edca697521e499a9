/**
 * A stand-in for nix-eval-jobs, which is not available to these tests. It follows the contract in
 * the README and the sources of nix-eval-jobs:
 *
 * - It accepts the documented options and applies `--select` to the root of the evaluation.
 * - It prints one JSON line per derivation with attr, attrPath, drvPath and outputs. extraValue is
 *   the value of `--apply`.
 * - An error at an attribute, also at a set of machines or the root, is a line of its own, with
 *   exit code 0. An error before a worker starts (in the flake output or in the call of `--select`)
 *   goes to standard error, with exit code 1.
 *
 * The real Nix performs the evaluation. Not implemented: workers (it accepts their number),
 * restarts because of memory, GC roots, meta.
 */
import { chmodSync, existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { delimiter, join } from "node:path";

const PROGRAM = `#!/usr/bin/env node
const { spawnSync } = require("node:child_process");
const { appendFileSync } = require("node:fs");
const words = process.argv.slice(2);
appendFileSync(__filename + ".calls", JSON.stringify(words) + "\\n");
const HELP = "  --apply    Apply provided Nix function to each derivation.\\n" +
  "  --select   Apply provided Nix function\\n";
if (words.includes("--help")) { process.stdout.write(HELP); process.exit(0); }
const known = {
  "--flake": 1, "--select": 1, "--apply": 1, "--workers": 1, "--override-input": 2, "--option": 2,
  "--show-trace": 0,
};
const given = {};
while (words.length > 0) {
  const option = words.shift();
  if (!(option in known)) {
    process.stderr.write("error: unrecognised flag '" + option + "'\\n");
    process.exit(1);
  }
  given[option] = words.splice(0, known[option]);
}
const [flake] = given["--flake"];
const nix = (apply) => spawnSync("nix", [
  "--option", ...given["--option"], "eval", "--json", "--show-trace", "--no-write-lock-file",
  "--override-input", ...given["--override-input"], flake, "--apply", apply,
], { encoding: "utf8", maxBuffer: 1e8 });
const root = "(" + given["--select"][0] + ") root";
const isJob = '(value: builtins.isAttrs value && (value.type or "") == "derivation")';
const begun = nix("root: builtins.isAttrs (" + root + ")");
if (begun.status !== 0) { process.stderr.write(begun.stderr); process.exit(1); }
const visit = (path) => {
  const value = ["(" + root + ")", ...path.map((name) => '"' + name + '"')].join(".");
  const found = nix([
    "root: let value = " + value + ";",
    "recurse = " + (path.length === 0) + " || (value.recurseForDerivations or false); in",
    "if " + isJob + " value",
    "then { job = { inherit (value) name drvPath; outputs.out = value.outPath;",
    "extraValue = (" + given["--apply"][0] + ") value; }; }",
    "else { attrs = if builtins.isAttrs value && recurse",
    "then builtins.attrNames value else [ ]; }",
  ].join(" "));
  const reply = found.status === 0 ? JSON.parse(found.stdout) : { job: { error: found.stderr } };
  process.stderr.write(found.stderr);
  const attr = path.join(".");
  if ("job" in reply) console.log(JSON.stringify({ attr, attrPath: path, ...reply.job }));
  for (const name of reply.attrs ?? []) visit([...path, name]);
};
visit([]);
`;

/** Installs the stand-in in a directory of the test, on the PATH. */
export class EvalJobs {
  private readonly file: string;
  private readonly before = process.env["PATH"];

  constructor(directory: string, program = PROGRAM) {
    this.file = join(directory, "nix-eval-jobs");
    writeFileSync(this.file, program);
    chmodSync(this.file, 0o755);
    process.env["PATH"] = [directory, this.before].join(delimiter);
  }

  /** The arguments of each call since the last call of this method, except calls of --help. */
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
