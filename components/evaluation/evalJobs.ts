/**
 * The evaluation by nix-eval-jobs: one job for each machine, several at a time. A worker that uses
 * too much memory is restarted. A site of a hundred NixOS systems is evaluated by all cores without
 * the memory of a hundred systems, and the errors of all machines are reported together.
 *
 * Source: README.md, src/worker.cc and src/drv.cc of nix-community/nix-eval-jobs at 59fa344 (after
 * v2.33.0). The flake's output holds no derivations, only their names. So `--select` (since v2.31)
 * makes a job of each machine, and `--apply` (since v2.25) turns it back into the machine's output.
 */
import { availableParallelism, totalmem } from "node:os";
import { z } from "zod";
import { environmentOf } from "./nix";
import type { Printed, References, Run } from "./nix";
import { OUTPUT } from "./output";

export const EVAL_JOBS = "nix-eval-jobs";
const UNDOCUMENTED = `${EVAL_JOBS} printed what it does not document`;

/** Its own default of --max-memory-size. */
const WORKER_MIB = 4096;

/** Jobs look like derivations. `value` is the machine, which only the worker evaluates. */
const SELECT = `output: let
  job = value: {
    type = "derivation"; name = "job"; system = "none"; outputName = "out";
    drvPath = value.drvPath; outPath = value.outputs.out;
    value = { inherit (output) version; inherit value; };
  };
  jobs = all: builtins.mapAttrs (_: job) all // { recurseForDerivations = true; };
in { machines = jobs output.machines; hypervisors = jobs (output.hypervisors or { }); }`;
const APPLY = "job: job.value";

/**
 * Whether the installed version has the options that are needed. Runs only before an evaluation.
 */
export function supportsEvalJobs(run: Run): Promise<boolean> {
  return run(`${EVAL_JOBS} --help`, {}).then(
    ({ stdout }) => /--select\b/.test(stdout) && /--apply\b/.test(stdout),
    () => false,
  );
}

/**
 * The output of nix-eval-jobs, one line for each machine. A machine or a set of machines that does
 * not evaluate is a line too. Rejects if no worker can start, as with a syntax error in the flake.
 */
export function runEvalJobs(run: Run, references: References, machines: number): Promise<Printed> {
  return run(
    `${EVAL_JOBS} --option extra-experimental-features "nix-command flakes" --show-trace ` +
      '--workers "$MICROVM_WORKERS" --override-input site "$MICROVM_SITE" ' +
      `--flake "$MICROVM_FLAKE#${OUTPUT}" --select "$MICROVM_SELECT" --apply "$MICROVM_APPLY"`,
    {
      ...environmentOf(references),
      MICROVM_SELECT: SELECT,
      MICROVM_APPLY: APPLY,
      MICROVM_WORKERS: String(workerCount(machines)),
    },
  );
}

/** Limited by machines, cores and memory. */
export function workerCount(
  machines: number,
  cores = availableParallelism(),
  memoryMiB = totalmem() / 1024 ** 2,
): number {
  return Math.max(1, Math.min(machines, cores, Math.floor(memoryMiB / WORKER_MIB)));
}

const line = z.looseObject({
  /** Path of a machine. Shorter if a set of machines does not evaluate: ["machines"], or []. */
  attrPath: z.array(z.string()),
  error: z.string().optional(),
  extraValue: z.object({ version: z.unknown(), value: z.unknown() }).optional(),
});
const machinePath = z.tuple([z.enum(["machines", "hypervisors"]), z.string()]);

/** The output as `nix eval --json` would print it, or the errors of each machine. */
export function parseEvalJobs(text: string): { json: string } | { faults: string[] } {
  let version: unknown = 1;
  const output = { machines: {}, hypervisors: {} };
  const faults: string[] = [];
  for (const printed of text.split("\n").filter((one) => one.trim() !== "")) {
    const job = parseLine(printed);
    if (job === undefined) return { faults: [UNDOCUMENTED] };
    if (job.error !== undefined) {
      faults.push(`${job.attrPath.join(".") || OUTPUT}: ${job.error}`);
      continue;
    }
    const path = machinePath.safeParse(job.attrPath);
    if (!path.success || job.extraValue === undefined) return { faults: [UNDOCUMENTED] };
    const [kind, name] = path.data;
    version = job.extraValue.version;
    Object.assign(output[kind], { [name]: job.extraValue.value });
  }
  return faults.length > 0 ? { faults } : { json: JSON.stringify({ version, ...output }) };
}

function parseLine(text: string): z.infer<typeof line> | undefined {
  try {
    return line.parse(JSON.parse(text));
  } catch {
    return undefined;
  }
}
