/** `lab/run quick | test | soak`: the checks and tests, and one line that sums them up. */
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { z } from "zod";
import { handOver } from "./command";
import { isUp } from "./hosts";
import { HOSTS } from "./network";
import { checkout } from "./paths";
import { ensureSystemPackages, requireMachine } from "./prerequisites";
import { say } from "./progress";
import { verify } from "./verify";

/** Environment variables that tests/selection.ts and the models read. */
type Selection = Record<string, string>;

export interface Result {
  passed: number;
  failed: number;
  /** Of the command that ran the part. */
  code: number;
}

const report = z.object({
  numPassedTests: z.number(),
  numFailedTests: z.number(),
  numRuntimeErrorTestSuites: z.number(),
});

/** What `lab/run contract --json` writes. */
const contractReport = z.object({ passed: z.number(), failed: z.number() });

/** What needs neither the lab nor Nix. */
const QUICK = ["unit", "scripts", "grpc"];

/** Types, lint, unit tests, scripts in a sandbox, gRPC. */
export async function testQuick(): Promise<number> {
  const selection = bySeed();
  return summed(selection, [verified, () => jest(selection, QUICK)]);
}

/** Everything. Tables of crash rows are sampled. */
export async function testAll(): Promise<number> {
  return everything(bySeed());
}

/** Everything, with every row of every table, and longer runs of the models. */
export async function testSoak(): Promise<number> {
  const seed = process.env["MODEL_SEED"] ?? randomSeed();
  return everything({ TEST_SOAK: "1", MODEL_SEED: seed });
}

async function everything(selection: Selection): Promise<number> {
  await requireMachine();
  await ensureSystemPackages();
  return summed(selection, [
    verified,
    () => jest(selection, [...QUICK, "nix"]),
    contracts,
    () => scenarios(selection),
  ]);
}

const randomSeed = (): string => String(Math.floor(Math.random() * 1_000_000));
const bySeed = (): Selection => ({ TEST_SEED: process.env["TEST_SEED"] ?? randomSeed() });

/** Runs all parts, also after one has failed. The last line is their sum. */
async function summed(selection: Selection, parts: (() => Promise<Result>)[]): Promise<number> {
  const named = Object.entries(selection).map(([name, value]) => `${name}=${value}`);
  const repeat = `this choice of rows can be repeated with ${named.join(" ")}`;
  say(`tests: ${repeat}`);
  const results: Result[] = [];
  for (const part of parts) results.push(await part());
  const { good, line } = summary(results);
  if (!good) say(`tests: ${repeat}`);
  process.stdout.write(`${line}\n`);
  return good ? 0 : 1;
}

/** `good`: no test failed, nor did a command that ran them. */
export function summary(results: readonly Result[]): { good: boolean; line: string } {
  const sum = (of: (result: Result) => number): number =>
    results.reduce((total, result) => total + of(result), 0);
  const failed = sum((result) => result.failed);
  return {
    good: failed === 0 && results.every(({ code }) => code === 0),
    line: `${sum(({ passed }) => passed)} passed, ${failed} failed`,
  };
}

/** Counts as one test only where it fails. */
async function verified(): Promise<Result> {
  const code = await verify();
  return { passed: 0, failed: code, code };
}

/** The lab's stand-ins against their contracts. */
async function contracts(): Promise<Result> {
  const scratch = mkdtempSync(join(tmpdir(), "pulumi-microvm-contract-"));
  const output = join(scratch, "report.json");
  try {
    const code = await handOver(["lab/run", "contract", "k0s", "--json", output], {
      cwd: checkout,
    });
    const text = existsSync(output) ? readFileSync(output, "utf8") : "";
    const { passed, failed } =
      text === "" ? { passed: 0, failed: 1 } : contractReport.parse(JSON.parse(text));
    return { passed, failed: Math.max(failed, code === 0 ? 0 : 1), code };
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

/** The lab's scenarios. A lab that was not up before is removed again. */
async function scenarios(selection: Selection): Promise<Result> {
  const wasUp = HOSTS.every((host) => isUp(host));
  const up = await handOver(["lab/run", "lab", "hosts-up"], { cwd: checkout });
  const result = up === 0 ? await jest(selection, ["lab"]) : { passed: 0, failed: 1, code: up };
  if (!wasUp) await handOver(["lab/run", "lab", "down"], { cwd: checkout });
  return result;
}

async function jest(selection: Selection, projects: string[]): Promise<Result> {
  const scratch = mkdtempSync(join(tmpdir(), "pulumi-microvm-test-"));
  const output = join(scratch, "report.json");
  // There is only one lab. The other tests wait more than they compute, so two at once are faster
  // on two cores too.
  const workers = projects.includes("lab") ? "--runInBand" : "--maxWorkers=2";
  try {
    const code = await handOver(
      ["jest", "--selectProjects", ...projects, workers, "--json", `--outputFile=${output}`],
      { cwd: checkout, env: { ...process.env, ...selection } },
    );
    const { passed, failed } = counts(output);
    // Also jest itself may fail, with no test that did.
    return { passed, failed: Math.max(failed, code === 0 ? 0 : 1), code };
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

/** A file that does not load has no tests to count. A jest that was killed writes no report. */
export function counts(output: string): Pick<Result, "passed" | "failed"> {
  const text = existsSync(output) ? readFileSync(output, "utf8") : "";
  if (text === "") return { passed: 0, failed: 1 };
  const result = report.parse(JSON.parse(text));
  return {
    passed: result.numPassedTests,
    failed: result.numFailedTests + result.numRuntimeErrorTestSuites,
  };
}
