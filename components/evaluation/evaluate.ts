/**
 * One evaluation of the site's flake for all machines. It is cached until something that it depends
 * on changes.
 *
 * The flake has the output `pulumiMicrovm` (docs/flake-output.md) and the input `site`. That input
 * is overridden by a directory with site.json, so that the flake repeats nothing of the YAML.
 */
import { mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import * as pulumi from "../pulumi";
import type { SiteModel } from "../../site/model";
import { siteJson } from "../../site/siteJson";
import { identityOf } from "./identity";
import type { Identity } from "./identity";
import { cacheDirectory, readCache, writeCache } from "./cache";
import { EVAL_JOBS, parseEvalJobs, runEvalJobs, supportsEvalJobs } from "./evalJobs";
import { missingFlake, withHint } from "./localFlake";
import { evaluateOutput, findProgram, metadata, nixMessage, runDirectly, runLocally } from "./nix";
import type { Printed, Program, References, Run } from "./nix";
import { OUTPUT, parseOutput, withWarnings } from "./output";
import type { FlakeOutput } from "./output";
import { parseWarnings, secretLines, warningsOf, withoutSecrets } from "./warnings";

export type { FlakeOutput, HypervisorSystem, Machine } from "./output";

/**
 * What the flake builds for the site, from the cache or else from Nix. Logs each warning of the
 * evaluation once, also if it comes from the cache. Rejects with a RunError that
 * has Nix's own message, or that names what the output lacks. `run` evaluates; `inspect` reads the
 * metadata of what would be evaluated.
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
  const fault = missingFlake(model.flake);
  if (fault !== undefined) throw new pulumi.RunError(fault);
  const identity = await identify(inspect, model.flake, directory, site, evaluators);
  const output = cached(identity) ?? (await evaluate(run, model, directory, identity));
  requireAll(output, model);
  const secrets = secretLines(process.env);
  for (const text of warningsOf(output)) void pulumi.log.warn(withoutSecrets(text, secrets));
  return output;
}

/** An evaluation's JSON. Throws a RunError that names the flake. */
export function parseEvaluation(text: string, flake: string): FlakeOutput {
  return required(parseOutput(text), flake);
}

/** The programs that take part in an evaluation: nix, and nix-eval-jobs if it is installed. */
function requireEvaluators(): Program[] {
  const nix = findProgram("nix");
  if (nix !== undefined) return [nix, findProgram(EVAL_JOBS) ?? []].flat();
  throw new pulumi.RunError(
    "nix is not on the PATH of this machine; install Nix, which evaluates the site's flake and " +
      "builds what the hosts run",
  );
}

/**
 * Undefined if the evaluation cannot be cached. The evaluation reports what is wrong with the
 * flake.
 */
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

function cached(identity: Identity | undefined): FlakeOutput | undefined {
  return identity === undefined ? undefined : readCache(cacheDirectory(), identity.key);
}

async function evaluate(
  run: Run,
  model: SiteModel,
  directory: string,
  identity: Identity | undefined,
): Promise<FlakeOutput> {
  const { flake } = model;
  const references = identity ?? { flake, site: `path:${directory}` };
  const printed = await evaluatedText(run, references, model).catch((error: unknown) => {
    const message = withHint(flake, nixMessage(error));
    throw new pulumi.RunError(`${flake} could not be evaluated:\n${message}`);
  });
  parseEvaluation(printed.stdout, flake);
  const secrets = secretLines(process.env);
  const warnings = parseWarnings(printed.stderr).map((text) => withoutSecrets(text, secrets));
  const text = withWarnings(printed.stdout, warnings);
  if (identity !== undefined) tryToCache(identity, text);
  return parseEvaluation(text, flake);
}

/** The output's JSON: machine by machine from nix-eval-jobs if possible, else at once from nix. */
async function evaluatedText(
  run: Run,
  references: References,
  { vms, hypervisors }: SiteModel,
): Promise<Printed> {
  if (findProgram(EVAL_JOBS) === undefined || !(await supportsEvalJobs(run))) {
    return evaluateOutput(run, references);
  }
  const machines = vms.length + hypervisors.length;
  const { stdout, stderr } = await runEvalJobs(run, references, machines);
  const jobs = parseEvalJobs(stdout);
  if ("json" in jobs) return { stdout: jobs.json, stderr };
  throw new Error(jobs.faults.join("\n"));
}

function required(output: FlakeOutput | { fault: string }, flake: string): FlakeOutput {
  if (!("fault" in output)) return output;
  throw new pulumi.RunError(`${flake}: ${output.fault}`);
}

/** Without a writable cache, passes are slower but do not fail. */
function tryToCache({ key }: Identity, text: string): void {
  try {
    writeCache(cacheDirectory(), key, text);
  } catch (error) {
    const cause = error instanceof Error ? error.message : String(error);
    void pulumi.log.info(`the evaluation is not kept for the next pass: ${cause}`);
  }
}

/** For names that `evaluateSite` has checked. */
export function requireEntry<T>(all: Record<string, T>, name: string): T {
  const found = all[name];
  if (found === undefined) throw new Error(`${name} is not in this site`);
  return found;
}

function requireAll({ machines, hypervisors }: FlakeOutput, model: SiteModel): void {
  const systems = model.hypervisors.filter(({ system }) => system !== undefined);
  const remedy =
    "; give mkSite modules.hypervisors for it, or remove `system` from the hypervisor in the site";
  requireNames("machines", machines, model.vms, model.flake);
  requireNames("hypervisors", hypervisors, systems, model.flake, remedy);
  requireK0s(machines, model);
}

/** The steps of a cluster depend on what k0s each member runs. */
function requireK0s(machines: FlakeOutput["machines"], { flake, cluster, vms }: SiteModel): void {
  if (cluster === undefined) return;
  const faults = vms.flatMap(({ name, role }): string[] => {
    if (role === undefined) return [];
    const version = machines[name]?.k0s?.version;
    if (version === undefined) return [`${name} has a role, but ${OUTPUT} has no k0s for it`];
    if (version.startsWith(`${cluster.k0sVersion}.`)) return [];
    return [`${name} has k0s ${version}, but cluster.k0sVersion is ${cluster.k0sVersion}`];
  });
  if (faults.length === 0) return;
  throw new pulumi.RunError(`${flake}: ${faults.join("\n  ")}`);
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

/** Writes only if the text differs, and atomically. */
function writeSite(directory: string, text: string): void {
  mkdirSync(directory, { recursive: true });
  const file = join(directory, "site.json");
  if (readIfExists(file) === text) return;
  // Beside the directory, since Nix hashes everything in it.
  const unfinished = `${directory}.${process.pid}`;
  writeFileSync(unfinished, text);
  renameSync(unfinished, file);
}

function readIfExists(file: string): string | undefined {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return undefined;
  }
}
