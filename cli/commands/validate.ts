/** `pulumi-microvm validate`: the site file and its flake, without hosts. */
import { join } from "node:path";
import { evaluateSite } from "../../components/evaluation/evaluate";
import { runDirectly } from "../../components/evaluation/nix";
import { CliError, EXIT, messageOf } from "../errors";
import type { ExitCode } from "../errors";
import { readSite, siteFile } from "../state/site";
import type { Terminal } from "../terminal";

export interface ValidateFlags {
  directory: string;
  stack?: string;
  site?: string;
  flake: boolean;
}

export async function validate(terminal: Terminal, flags: ValidateFlags): Promise<ExitCode> {
  const { directory, stack, site, flake } = flags;
  const file = await siteFile(directory, stack, site);
  const model = readSite(terminal, file);
  const { vms, hypervisors } = model;
  terminal.print(`${file}: ${hypervisors.length} hypervisors, ${vms.length} VMs: no fault`);
  if (!flake) return EXIT.done;
  // Beside those of the stacks, so that a fault does not disturb them.
  const place = join(directory, ".site", ".validate");
  try {
    const output = await terminal.during(`evaluating ${model.flake}`, () =>
      evaluateSite(model, place, runDirectly),
    );
    const machines = Object.keys(output.machines).length;
    terminal.print(`${model.flake}: evaluates, ${machines} VMs`);
    return EXIT.done;
  } catch (error) {
    throw new CliError(messageOf(error), EXIT.findings);
  }
}
