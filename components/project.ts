/** The user's Pulumi project: its directory, and the site file of the stack. */
import { existsSync } from "node:fs";
import { isAbsolute, join, resolve } from "node:path";
import * as pulumi from "./pulumi";
import { readSite } from "./readSite";
import { NoSiteFile, shownPath, siteFileOf } from "./siteFile";
import { upward } from "./upward";
import type { SiteModel } from "../site/model";

/**
 * The directory of Pulumi.yaml. Paths in the stack's configuration are relative to it, wherever
 * this package is installed. Older language hosts do not pass it, so it is looked for upward from
 * the working directory.
 */
export function projectDirectory(): string {
  const passed = pulumi.getRootDirectory();
  // The SDK's own default is a text that is no path.
  if (isAbsolute(passed)) return passed;
  const current = process.cwd();
  return upward(current).find(isProject) ?? current;
}

function isProject(directory: string): boolean {
  return ["Pulumi.yaml", "Pulumi.yml"].some((name) => existsSync(join(directory, name)));
}

/**
 * The site of a file, whose path is relative to the project. By default the stack's file: `site` of
 * its configuration, or else stacks/STACK.yaml. Throws a RunError with all faults of the file.
 */
export function loadSite(file?: string): SiteModel {
  const project = projectDirectory();
  const path = file === undefined ? fileOfStack(project) : resolve(project, file);
  return readSite(shownPath(path));
}

function fileOfStack(project: string): string {
  try {
    return siteFileOf(project, pulumi.getStack(), new pulumi.Config().get("site"));
  } catch (error) {
    if (error instanceof NoSiteFile) throw new pulumi.RunError(error.message);
    throw error;
  }
}
