/**
 * The evaluation with nix-eval-jobs: the same output as with nix, and the errors of all machines.
 */
import { join } from "node:path";
import * as pulumi from "@pulumi/pulumi";
import { evaluateSite } from "../../components/evaluation/evaluate";
import { loadSite } from "../../site/load";
import { EvalJobs } from "./evalJobs";
import { Workplace, flakeText, run } from "./flakes";
import { repository } from "./nix";

const lab = loadSite(join(repository, "stacks", "lab.yaml"));
let at: Workplace;
let jobs: EvalJobs;

beforeEach(() => {
  at = new Workplace();
  jobs = new EvalJobs(at.directory);
});
afterEach(() => {
  jobs.remove();
  at.remove();
});

const evaluated = (flake = `path:${at.flake}`) => evaluateSite({ ...lab, flake }, at.site, run);

async function failure(): Promise<string> {
  const error: unknown = await evaluated().catch((caught: unknown) => caught);
  if (!(error instanceof Error)) throw new Error("there was no error");
  return error.message;
}

test("returns the same output as nix for the same references, and is cached too", async () => {
  const byJobs = await evaluated();
  expect(jobs.calls()).toHaveLength(1);
  expect(await evaluated()).toEqual(byJobs);
  expect(jobs.calls()).toEqual([]);
  jobs.remove();
  expect(await evaluated()).toEqual(byJobs);
  expect(at.nix.processes()).toContain("eval");
});

test("shows the warnings of machines and those that nix-eval-jobs prints", async () => {
  const logged = jest.spyOn(pulumi.log, "warn").mockResolvedValue();
  const warning = 'deployment name // { warnings = [ "old option" ]; }';
  at.write(flakeText(`builtins.trace "warning: a typo" (${warning})`));
  await evaluated();
  expect(logged.mock.calls).toEqual([["kc1, kw1, kw2: old option"], ["a typo"]]);
  logged.mockRestore();
});

test("evaluates the lab's flake with its hypervisors", async () => {
  const flake = `path:${join(repository, "lab", "flake")}`;
  const byJobs = await evaluated(flake);
  expect(Object.keys(byJobs.hypervisors)).toEqual(["hv1", "hv2"]);
  jobs.remove();
  expect(await evaluated(flake)).toEqual(byJobs);
});

test("reports all machines that fail to evaluate, each with Nix's trace", async () => {
  at.write(
    flakeText(
      'if name == "kw1" then throw "no such disk" ' +
        'else if name == "kc1" then (let x = x; in x) else deployment name',
    ),
  );
  const message = await failure();
  expect(message).toMatch(/^path:\S+ could not be evaluated:\n/);
  expect(message).toMatch(/machines\.kc1: .*infinite recursion encountered/s);
  expect(message).toMatch(/machines\.kw1: .*error: no such disk/s);
  expect(message).toMatch(/machines\.kw1: .*while evaluating machine kw1 of the site/s);
  expect(message).not.toContain("machines.kw2");
});

test("machines that cannot be listed are one error with the name of their set", async () => {
  const whole = 'machines = throw "no machines at all";';
  at.write(flakeText().replace(/machines = builtins\.mapAttrs[^;]*;/, whole));
  const message = await failure();
  expect(message).toMatch(/could not be evaluated:\nmachines: .*no machines at all/s);
  expect(message).not.toContain("does not document");
});

test("an evaluation that fails as a whole is one error with Nix's message", async () => {
  at.write(flakeText().replace("in\n", ""));
  expect(await failure()).toMatch(/could not be evaluated:\n.*syntax error, unexpected /s);
  at.write(flakeText().replace("pulumiMicrovm =", "another ="));
  expect(await failure()).toMatch(/does not provide attribute .*pulumiMicrovm/s);
});

test("an output of another version is rejected", async () => {
  at.write(flakeText().replace("version = 1", "version = 2"));
  expect(await failure()).toMatch(/is not as documented.*version/s);
});

test("a nix-eval-jobs without the required options is not used", async () => {
  jobs.remove();
  jobs = new EvalJobs(
    at.directory,
    "#!/bin/sh\n[ \"$1\" = --help ] || exit 1\necho '  --workers'\n",
  );
  expect(Object.keys((await evaluated()).machines)).toEqual(["kc1", "kw1", "kw2"]);
  expect(at.nix.processes()).toEqual(["flake", "eval"]);
});
