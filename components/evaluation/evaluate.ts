/**
 * One evaluation of the site's flake for all machines, kept for as long as nothing that it depends on
 * changes.
 *
 * The flake has the output `pulumiMicrovm` (documented in docs/flake-output.md) and the input `site`, which
 * is overridden by a directory with site.json, so whatever the YAML states is stated nowhere else.
 */
import { mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import * as pulumi from "../pulumi";
import type { SiteModel } from "../../site/model";
import { siteJson } from "../../site/siteJson";
import { identityOf } from "./identity";
import type { Identity } from "./identity";
import { keep, keptDirectory, readKept } from "./kept";
import { EVAL_JOBS, evaluateJobs, hasJobs, outputOfJobs } from "./jobs";
import { evaluateOutput, findProgram, metadata, nixMessage, runDirectly, runLocally } from "./nix";
import type { Program, References, Run } from "./nix";
import { OUTPUT, parseOutput } from "./output";
import type { FlakeOutput } from "./output";

export type { FlakeOutput, HypervisorSystem, Machine } from "./output";

/**
 * What the flake builds for the site, from what is kept or else from Nix. Rejects with a RunError that holds Nix's own
 * words, or names what the output lacks. `run` evaluates; `inspect` asks what would be evaluated.
 */
export async function evaluateSite(
  model: SiteModel,
  directory: string,
  run: Run = runLocally,
  inspect: Run = runDirectly,
): Promise<FlakeOutput> {
  const site = siteJson(model);
  writeSite(directory, site);
  const evaluators = requireEvaluators();
  const identity = await identify(inspect, model.flake, directory, site, evaluators);
  const output = kept(identity) ?? (await evaluateAnew(run, model, directory, identity));
  requireAll(output, model);
  return output;
}

/** An evaluation's JSON. Throws a RunError that names the flake. */
export function parseEvaluation(text: string, flake: string): FlakeOutput {
  return required(parseOutput(text), flake);
}

/** Nix, and what it is asked through where that is there too. */
function requireEvaluators(): Program[] {
  const nix = findProgram("nix");
  if (nix !== undefined) return [nix, findProgram(EVAL_JOBS) ?? []].flat();
  throw new pulumi.RunError(
    "nix is not on the PATH of this machine: install Nix, it evaluates the site's flake and builds what the hosts run",
  );
}

/** Undefined where nothing can be kept; what is wrong with the flake is for the evaluation to say. */
async function identify(
  inspect: Run,
  flake: string,
  directory: string,
  site: string,
  evaluators: Program[],
): Promise<Identity | undefined> {
  try {
    const text = await metadata(inspect, { flake, site: `path:${directory}` });
    return identityOf(text, directory, site, evaluators);
  } catch {
    return undefined;
  }
}

function kept(identity: Identity | undefined): FlakeOutput | undefined {
  return identity === undefined ? undefined : readKept(keptDirectory(), identity.key);
}

async function evaluateAnew(
  run: Run,
  model: SiteModel,
  directory: string,
  identity: Identity | undefined,
): Promise<FlakeOutput> {
  const { flake } = model;
  const references = identity ?? { flake, site: `path:${directory}` };
  const text = await evaluatedText(run, references, model).catch((error: unknown) => {
    throw new pulumi.RunError(`${flake} could not be evaluated:\n${nixMessage(error)}`);
  });
  const output = parseEvaluation(text, flake);
  if (identity !== undefined) tryToKeep(identity, text);
  return output;
}

/** The output's JSON: by nix-eval-jobs where that can be had, machine by machine; else in one piece by nix. */
async function evaluatedText(
  run: Run,
  references: References,
  { vms, hypervisors }: SiteModel,
): Promise<string> {
  if (findProgram(EVAL_JOBS) === undefined || !(await hasJobs(run))) {
    return evaluateOutput(run, references);
  }
  const machines = vms.length + hypervisors.length;
  const jobs = outputOfJobs(await evaluateJobs(run, references, machines));
  if ("json" in jobs) return jobs.json;
  throw new Error(jobs.faults.join("\n"));
}

function required(output: FlakeOutput | { fault: string }, flake: string): FlakeOutput {
  if (!("fault" in output)) return output;
  throw new pulumi.RunError(`${flake}: ${output.fault}`);
}

/** A home that can't be written to makes passes slower, and fails none. */
function tryToKeep({ key }: Identity, text: string): void {
  try {
    keep(keptDirectory(), key, text);
  } catch (error) {
    const cause = error instanceof Error ? error.message : String(error);
    void pulumi.log.info(`the evaluation is not kept for the next pass: ${cause}`);
  }
}

/** Of an evaluated site, which has all of its names. */
export function named<T>(all: Record<string, T>, name: string): T {
  const found = all[name];
  if (found === undefined) throw new Error(`${name} is not in this site`);
  return found;
}

function requireAll({ machines, hypervisors }: FlakeOutput, model: SiteModel): void {
  const systems = model.hypervisors.filter(({ system }) => system !== undefined);
  const remedy =
    "; give mkSite modules.hypervisors for it, or take `system` from the hypervisor in the site";
  requireNames("machines", machines, model.vms, model.flake);
  requireNames("hypervisors", hypervisors, systems, model.flake, remedy);
}

function requireNames(
  kind: string,
  all: Record<string, unknown>,
  wanted: { name: string }[],
  flake: string,
  remedy = "",
): void {
  const absent = wanted.map(({ name }) => name).filter((name) => !Object.hasOwn(all, name));
  if (absent.length === 0) return;
  const has = Object.keys(all).join(", ") || "none";
  throw new pulumi.RunError(
    `${flake}: ${OUTPUT}.${kind} has no ${absent.join(", ")}; it has ${has}${remedy}`,
  );
}

/** Written only when it differs, whole or not at all. */
function writeSite(directory: string, text: string): void {
  mkdirSync(directory, { recursive: true });
  const file = join(directory, "site.json");
  if (readIfThere(file) === text) return;
  // Beside the directory: Nix hashes whatever is in it.
  const unfinished = `${directory}.${process.pid}`;
  writeFileSync(unfinished, text);
  renameSync(unfinished, file);
}

function readIfThere(file: string): string | undefined {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return undefined;
  }
}
