/** Reads the site file for a run of the program. */
import * as pulumi from "./pulumi";
import { SiteError, formatIssue } from "../site/issues";
import { loadSiteWithWarnings } from "../site/load";
import type { SiteModel } from "../site/model";

/** Logs each warning of the site once. Throws a RunError with all its faults. */
export function readSite(file: string): SiteModel {
  try {
    const { model, warnings } = loadSiteWithWarnings(file);
    for (const warning of warnings) void pulumi.log.warn(formatIssue(warning));
    return model;
  } catch (error) {
    if (error instanceof SiteError) throw new pulumi.RunError(error.message);
    throw error;
  }
}
