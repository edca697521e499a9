/** The site file of a stack, and the flake of it. */
import { resolve } from "node:path";
import { NoSiteFile, shownPath, siteFileOf } from "../../components/siteFile";
import { loadSiteWithWarnings } from "../../site/load";
import { SiteError, formatIssue } from "../../site/issues";
import type { SiteModel } from "../../site/model";
import type { Terminal } from "../terminal";
import { CliError, EXIT } from "../errors";
import { selectedStack, stackOption, tryPulumi } from "./pulumi";

/** As the program finds it: the stack's configuration `site`, else `stacks/STACK.yaml`. */
export async function siteFile(
  directory: string,
  stack: string | undefined,
  given: string | undefined,
): Promise<string> {
  if (given !== undefined) return resolve(given);
  const name = await selectedStack(directory, stack);
  const configured = await tryPulumi(directory, ["config", "get", "site", ...stackOption(stack)]);
  try {
    return siteFileOf(directory, name, configured);
  } catch (error) {
    if (error instanceof NoSiteFile) throw new CliError(error.message, EXIT.findings);
    throw error;
  }
}

/** Prints its warnings. Throws all its faults as one error. */
export function readSite(terminal: Terminal, file: string): SiteModel {
  try {
    const { model, warnings } = loadSiteWithWarnings(shownPath(file));
    for (const warning of warnings) terminal.note(`warning: ${formatIssue(warning)}`);
    return model;
  } catch (error) {
    if (error instanceof SiteError) throw new CliError(error.message, EXIT.findings);
    throw error;
  }
}
