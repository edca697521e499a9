/**
 * One evaluation of the site's flake for all machines.
 *
 * The flake has the output `pulumiMicrovm` (documented in docs/flake-output.md) and the input `site`, which
 * is overridden by a directory with site.json, so whatever the YAML states is stated nowhere else.
 */
import { mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { local } from "@pulumi/command";
import * as pulumi from "@pulumi/pulumi";
import { z } from "zod";
import type { SiteModel } from "../site/model";
import { siteJson } from "../site/siteJson";

/** As `nix build --json` names it: a set with `outPath` is not to be had in JSON. */
const derivation = z
  .object({ drvPath: z.string(), outputs: z.object({ out: z.string() }) })
  .transform(({ drvPath, outputs }) => ({ drvPath, outPath: outputs.out }));
/** Names with versions; several versions of one name come in one text. */
const packages = z.record(z.string(), z.string()).default({});
const machine = z
  .object({
    drvPath: z.string(),
    outputs: z.object({ out: z.string() }),
    toplevel: derivation,
    closureInfo: derivation,
    hardware: z.string(),
    liveSwitch: z.boolean().default(false),
    packages,
  })
  .transform(({ drvPath, outputs, ...rest }) => ({
    runner: { drvPath, outPath: outputs.out },
    ...rest,
  }));
const hypervisor = z
  .object({ drvPath: z.string(), outputs: z.object({ out: z.string() }), packages })
  .transform(({ drvPath, outputs, packages }) => ({
    toplevel: { drvPath, outPath: outputs.out },
    packages,
  }));
const output = z.object({
  version: z.literal(1),
  machines: z.record(z.string(), machine),
  hypervisors: z.record(z.string(), hypervisor).default({}),
});

/** The derivations of one machine, each with its output. */
export type Machine = z.infer<typeof machine>;
/** The system of a hypervisor that this flake builds. */
export type HypervisorSystem = z.infer<typeof hypervisor>;

/** Nix is named nothing of the site in its command: paths and references come by the environment. */
const EVALUATE =
  'exec nix --extra-experimental-features "nix-command flakes" eval --json --no-write-lock-file ' +
  '--override-input site "path:$MICROVM_SITE_DIRECTORY" "$MICROVM_FLAKE#pulumiMicrovm"';

/** An evaluated flake: what it builds for a name; an absent one is a clear error. */
export interface Evaluated {
  machineOf: (name: string) => pulumi.Output<Machine>;
  hypervisorOf: (name: string) => pulumi.Output<HypervisorSystem>;
}

/** Evaluates the flake, once for all names. */
export function evaluate(
  model: SiteModel,
  directory: string,
  opts: pulumi.InvokeOptions,
): Evaluated {
  writeSite(directory, siteJson(model));
  const environment = { MICROVM_SITE_DIRECTORY: directory, MICROVM_FLAKE: model.flake };
  const evaluated = local.run({ command: EVALUATE, environment, logging: "none" }, opts).then(
    ({ stdout }) => parseEvaluation(stdout, model.flake),
    (error: unknown) => {
      throw new pulumi.RunError(`${model.flake} could not be evaluated:\n${nixMessage(error)}`);
    },
  );
  const all = pulumi.output(evaluated);
  const { flake } = model;
  return {
    machineOf: (name) =>
      all.apply(({ machines }) => named("machines", machines, name, flake, REMEDY.machines)),
    hypervisorOf: (name) =>
      all.apply(({ hypervisors }) =>
        named("hypervisors", hypervisors, name, flake, REMEDY.hypervisors),
      ),
  };
}

const REMEDY = {
  machines: "",
  hypervisors:
    "; give mkSite modules.hypervisors for it, or take `system` from the hypervisor in the site",
};

/** An evaluation's JSON. Throws a RunError that names the flake. */
export function parseEvaluation(text: string, flake: string): z.infer<typeof output> {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    throw new pulumi.RunError(`${flake}: nix eval did not print JSON`);
  }
  const parsed = output.safeParse(json);
  if (parsed.success) return parsed.data;
  const faults = parsed.error.issues.map((issue) => `${issue.path.join(".")}: ${issue.message}`);
  throw new pulumi.RunError(
    `${flake}: its output pulumiMicrovm is not as documented in docs/flake-output.md:\n  ${faults.join("\n  ")}`,
  );
}

/** Nix's own words, with its trace, without the command in front of them. */
function nixMessage(error: unknown): string {
  const message = error instanceof Error ? error.message : String(error);
  return message.replace(/^.*?running "exec nix (?:[^"\\\\]|\\\\.)*":\n/s, "").trim();
}

function named<T>(
  kind: string,
  all: Record<string, T>,
  name: string,
  flake: string,
  remedy: string,
): T {
  const found = Object.hasOwn(all, name) ? all[name] : undefined;
  if (found !== undefined) return found;
  const names = Object.keys(all);
  const known = names.length === 0 ? "none" : names.join(", ");
  throw new pulumi.RunError(
    `${flake}: pulumiMicrovm.${kind} has no ${name}; it has ${known}${remedy}`,
  );
}

/** Written only when it differs, whole or not at all. */
function writeSite(directory: string, text: string): void {
  mkdirSync(directory, { recursive: true });
  const file = join(directory, "site.json");
  if (readIfThere(file) === text) return;
  writeFileSync(`${file}.new`, text);
  renameSync(`${file}.new`, file);
}

function readIfThere(file: string): string | undefined {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return undefined;
  }
}
