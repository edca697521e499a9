/** The flake's output `pulumiMicrovm`, version 1: docs/flake-output.md. Pure. */
import { z } from "zod";

export const OUTPUT = "pulumiMicrovm";

/** As in `nix build --json`, since JSON cannot have a set with `outPath`. */
const derivation = z
  .object({ drvPath: z.string(), outputs: z.object({ out: z.string() }) })
  .transform(({ drvPath, outputs }) => ({ drvPath, outPath: outputs.out }));
/** Package -> version. Several versions of one package are in one text. */
const packages = z.record(z.string(), z.string()).default({});
/** NixOS's `warnings` of a machine. */
const warnings = z.array(z.string()).default([]);
/** Of a member of the cluster. `unit` changes exactly when an activation restarts k0s. */
const k0s = z.object({ version: z.string(), unit: z.string(), configuration: z.string() });
const machine = z
  .object({
    drvPath: z.string(),
    outputs: z.object({ out: z.string() }),
    toplevel: derivation,
    closureInfo: derivation,
    hardware: z.string(),
    liveSwitch: z.boolean().default(false),
    k0s: k0s.optional(),
    packages,
    warnings,
  })
  .transform(({ drvPath, outputs, ...rest }) => ({
    runner: { drvPath, outPath: outputs.out },
    ...rest,
  }));
const hypervisor = z
  .object({
    drvPath: z.string(),
    outputs: z.object({ out: z.string() }),
    packages,
    bootHash: z.string().default(""),
    warnings,
  })
  .transform(({ drvPath, outputs, ...rest }) => ({
    toplevel: { drvPath, outPath: outputs.out },
    ...rest,
  }));
const output = z.object({
  version: z.literal(1),
  machines: z.record(z.string(), machine),
  hypervisors: z.record(z.string(), hypervisor).default({}),
  /** Added by the program: what Nix printed. */
  warnings,
});

/** The derivations of one machine, each with its output. */
export type Machine = z.infer<typeof machine>;
/** The system of a hypervisor that this flake builds. */
export type HypervisorSystem = z.infer<typeof hypervisor>;
export type FlakeOutput = z.infer<typeof output>;

/** The output from its JSON, or what is wrong with it. */
export function parseOutput(text: string): FlakeOutput | { fault: string } {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    return { fault: "nix eval did not print JSON" };
  }
  const parsed = output.safeParse(json);
  if (parsed.success) return parsed.data;
  const faults = parsed.error.issues.map((issue) => `${issue.path.join(".")}: ${issue.message}`);
  return {
    fault:
      `its output ${OUTPUT} is not as documented in docs/flake-output.md:\n  ` +
      faults.join("\n  "),
  };
}

/** The JSON of an output, with what Nix printed while it evaluated it. */
export function withWarnings(text: string, warnings: string[]): string {
  const json = z.looseObject({}).parse(JSON.parse(text));
  return JSON.stringify({ ...json, warnings });
}

/** Every derivation that the output names. */
export function derivationsOf({ machines, hypervisors }: FlakeOutput): string[] {
  return [
    ...Object.values(machines).flatMap((one) => [one.runner, one.toplevel, one.closureInfo]),
    ...Object.values(hypervisors).map((one) => one.toplevel),
  ].map(({ drvPath }) => drvPath);
}
