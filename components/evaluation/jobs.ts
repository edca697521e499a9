/**
 * The evaluation by nix-eval-jobs: one job for each machine, several at a time, each worker started anew when it takes
 * too much memory. So a site of a hundred NixOS systems takes the time of the processor's cores and not the memory of a
 * hundred systems; and what is wrong with several machines is told for all of them.
 *
 * Source: README.md, src/worker.cc and src/drv.cc of nix-community/nix-eval-jobs at 59fa344 (after v2.33.0). The flake's
 * output holds no derivations, only their names, so `--select` (since v2.31) makes one job of each machine, which
 * `--apply` (since v2.25) turns back into what the output says of it.
 */
import { availableParallelism, totalmem } from "node:os";
import { z } from "zod";
import { environmentOf } from "./nix";
import type { References, Run } from "./nix";
import { OUTPUT } from "./output";

export const EVAL_JOBS = "nix-eval-jobs";
const UNDOCUMENTED = `${EVAL_JOBS} printed what it does not document`;

/** Its own default of --max-memory-size. */
const WORKER_MIB = 4096;

/** What getDerivation takes for a derivation: `value` is the machine, looked at in the worker alone. */
const SELECT = `output: let
  job = value: {
    type = "derivation"; name = "job"; system = "none"; outputName = "out";
    drvPath = value.drvPath; outPath = value.outputs.out;
    value = { inherit (output) version; inherit value; };
  };
  jobs = all: builtins.mapAttrs (_: job) all // { recurseForDerivations = true; };
in { machines = jobs output.machines; hypervisors = jobs (output.hypervisors or { }); }`;
const APPLY = "job: job.value";

/** Whether it knows the options that are needed here. It is asked for only where something is evaluated anew. */
export function hasJobs(run: Run): Promise<boolean> {
  return run(`${EVAL_JOBS} --help`, {}).then(
    (help) => /--select\b/.test(help) && /--apply\b/.test(help),
    () => false,
  );
}

/**
 * The lines of nix-eval-jobs, one a machine. A machine that does not evaluate is a line too, and so is a set of
 * machines; what keeps a worker from beginning, such as a flake with a syntax error, rejects.
 */
export function evaluateJobs(run: Run, references: References, machines: number): Promise<string> {
  return run(
    `${EVAL_JOBS} --option extra-experimental-features "nix-command flakes" --show-trace ` +
      '--workers "$MICROVM_WORKERS" --override-input site "$MICROVM_SITE" ' +
      `--flake "$MICROVM_FLAKE#${OUTPUT}" --select "$MICROVM_SELECT" --apply "$MICROVM_APPLY"`,
    {
      ...environmentOf(references),
      MICROVM_SELECT: SELECT,
      MICROVM_APPLY: APPLY,
      MICROVM_WORKERS: String(workers(machines)),
    },
  );
}

/** As many as there are machines, cores, and room in memory for. */
export function workers(
  machines: number,
  cores = availableParallelism(),
  memoryMiB = totalmem() / 1024 ** 2,
): number {
  return Math.max(1, Math.min(machines, cores, Math.floor(memoryMiB / WORKER_MIB)));
}

const line = z.looseObject({
  /** A machine's; shorter where what it is in does not evaluate: ["machines"], or [] for all of it. */
  attrPath: z.array(z.string()),
  error: z.string().optional(),
  extraValue: z.object({ version: z.unknown(), value: z.unknown() }).optional(),
});
const machinePath = z.tuple([z.enum(["machines", "hypervisors"]), z.string()]);

/** The output as `nix eval --json` would print it; else what is wrong, machine by machine. */
export function outputOfJobs(text: string): { json: string } | { faults: string[] } {
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
