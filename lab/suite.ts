/** `lab/run quick | test | soak`: runs the checks and tests, and prints their sum in one line. */
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { z } from "zod";
import { handOver } from "./command";
import { isUp } from "./hosts";
import { HOSTS } from "./network";
import { checkout, labDirectories, stackOfLab } from "./paths";
import { ensureSystemPackages, requireMachine } from "./prerequisites";
import { say } from "./progress";
import { verify } from "./verify";

/** Environment variables of tests/selection.ts and the models. */
type Selection = Record<string, string>;

export interface Result {
  passed: number;
  failed: number;
  /** The exit code of the command that ran the part. */
  code: number;
}

const report = z.object({
  numPassedTests: z.number(),
  numFailedTests: z.number(),
  numRuntimeErrorTestSuites: z.number(),
});

/** What `lab/run contract --json` writes. */
const contractReport = z.object({ passed: z.number(), failed: z.number() });

/** The parts that require neither the lab nor Nix. */
const QUICK = ["unit", "scripts", "grpc"];
const ALL = [...QUICK, "kube", "nix", "lab"];

/** Tests wait more than they compute, so on two cores more than two at once are faster. */
const WORKERS = 3;

/** Types, lint, unit tests, scripts in a sandbox, gRPC. */
export async function testQuick(): Promise<number> {
  const selection = bySeed();
  return summed(selection, [verified, () => jest(QUICK, selection)]);
}

/** All parts, with a sample of each table of crash rows. */
export async function testAll(): Promise<number> {
  return everything(bySeed());
}

/** All parts, with every row of every table, and longer runs of the models. */
export async function testSoak(): Promise<number> {
  const seed = process.env["MODEL_SEED"] ?? randomSeed();
  return everything({ TEST_SOAK: "1", MODEL_SEED: seed });
}

async function everything(selection: Selection): Promise<number> {
  await requireMachine();
  await ensureSystemPackages();
  return summed(selection, [
    verified,
    () => contract("k0s"),
    () => contract("kubernetes"),
    () => inLabs(selection),
  ]);
}

const randomSeed = (): string => String(Math.floor(Math.random() * 1_000_000));
const bySeed = (): Selection => ({ TEST_SEED: process.env["TEST_SEED"] ?? randomSeed() });

/** Runs all parts, also after one has failed. The last line is their sum. */
async function summed(selection: Selection, parts: (() => Promise<Result>)[]): Promise<number> {
  const named = Object.entries(selection).map(([name, value]) => `${name}=${value}`);
  const repeat = `to repeat this sample, run it with ${named.join(" ")}`;
  say(`tests: ${repeat}`);
  const results: Result[] = [];
  for (const part of parts) results.push(await part());
  const { good, line } = summary(results);
  if (!good) say(`tests: ${repeat}`);
  process.stdout.write(`${line}\n`);
  return good ? 0 : 1;
}

/** `good`: no test and no command failed. */
export function summary(results: readonly Result[]): { good: boolean; line: string } {
  const sum = (of: (result: Result) => number): number =>
    results.reduce((total, result) => total + of(result), 0);
  const failed = sum((result) => result.failed);
  return {
    good: failed === 0 && results.every(({ code }) => code === 0),
    line: `${sum(({ passed }) => passed)} passed, ${failed} failed`,
  };
}

/** Counts as one test only if it fails. */
async function verified(): Promise<Result> {
  const code = await verify();
  return { passed: 0, failed: code, code };
}

/** One of the lab's stand-ins against its contract. */
async function contract(suite: "k0s" | "kubernetes"): Promise<Result> {
  const scratch = mkdtempSync(join(tmpdir(), "pulumi-microvm-contract-"));
  const output = join(scratch, "report.json");
  try {
    const command = ["lab/run", "contract", suite, "--json", output];
    const code = await handOver(command, { cwd: checkout });
    const { passed, failed } = contractCounts(output);
    return { passed, failed: Math.max(failed, code === 0 ? 0 : 1), code };
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

/** A suite that was killed writes no report. */
export function contractCounts(output: string): Pick<Result, "passed" | "failed"> {
  const text = existsSync(output) ? readFileSync(output, "utf8") : "";
  return text === "" ? { passed: 0, failed: 1 } : contractReport.parse(JSON.parse(text));
}

/**
 * All tests, each worker with a lab of its own. The labs that were not up before are removed.
 */
async function inLabs(selection: Selection): Promise<Result> {
  const isSoak = selection["TEST_SOAK"] === "1";
  const wasUp = HOSTS.every((host) => isUp(host));
  const labs = labDirectories(WORKERS).map((directory, index) => ({
    PULUMI_MICROVM_LAB_DIR: directory,
    PULUMI_MICROVM_LAB_STACK: stackOfLab(index + 1),
  }));
  try {
    for (const lab of labs) {
      const code = await labCommand(["hosts-up", ...(isSoak ? ["--gitea"] : [])], lab);
      if (code !== 0) return { passed: 0, failed: 1, code };
    }
    const directories = labs.map((lab) => lab.PULUMI_MICROVM_LAB_DIR).join(":");
    return await jest(ALL, { ...selection, PULUMI_MICROVM_LAB_DIRS: directories });
  } finally {
    for (const lab of labs.slice(wasUp ? 1 : 0)) await labCommand(["down"], lab);
  }
}

function labCommand(words: string[], lab: NodeJS.ProcessEnv): Promise<number> {
  return handOver(["lab/run", "lab", ...words], { cwd: checkout, env: { ...process.env, ...lab } });
}

async function jest(projects: readonly string[], env: NodeJS.ProcessEnv): Promise<Result> {
  const scratch = mkdtempSync(join(tmpdir(), "pulumi-microvm-test-"));
  const output = join(scratch, "report.json");
  const options = [`--maxWorkers=${WORKERS}`, "--json", `--outputFile=${output}`];
  try {
    const code = await handOver(["jest", "--selectProjects", ...projects, ...options], {
      cwd: checkout,
      env: { ...process.env, ...env },
    });
    const { passed, failed } = counts(output);
    // Jest itself may fail without a failed test.
    return { passed, failed: Math.max(failed, code === 0 ? 0 : 1), code };
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

/** A file that does not load has no tests. A killed jest writes no report. */
export function counts(output: string): Pick<Result, "passed" | "failed"> {
  const text = existsSync(output) ? readFileSync(output, "utf8") : "";
  if (text === "") return { passed: 0, failed: 1 };
  const result = report.parse(JSON.parse(text));
  return {
    passed: result.numPassedTests,
    failed: result.numFailedTests + result.numRuntimeErrorTestSuites,
  };
}
