/** The user's Pulumi project: its directory, and the site file of the stack. */
import { existsSync, readdirSync } from "node:fs";
import { isAbsolute, join, relative, resolve } from "node:path";
import * as pulumi from "./pulumi";
import { readSite } from "./readSite";
import { upward } from "./upward";
import type { SiteModel } from "../site/model";

const SITES = "stacks";

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
  const path = resolve(project, file ?? fileOfStack(project));
  const inside = relative(process.cwd(), path);
  return readSite(inside.startsWith("..") ? path : inside);
}

function fileOfStack(project: string): string {
  const configured = new pulumi.Config().get("site");
  if (configured !== undefined) return configured;
  const stack = pulumi.getStack();
  const file = join(SITES, `${stack}.yaml`);
  if (existsSync(join(project, file))) return file;
  const others = siteFiles(join(project, SITES));
  throw new pulumi.RunError(
    `stack ${stack} has no site file: ${file} does not exist. ` +
      (others.length === 0 ? "" : `${SITES} has ${others.join(", ")}. `) +
      "Create it, select the stack of an existing file with `pulumi stack select`, or set " +
      "another file with `pulumi config set site FILE`",
  );
}

function siteFiles(directory: string): string[] {
  if (!existsSync(directory)) return [];
  return readdirSync(directory)
    .filter((name) => name.endsWith(".yaml"))
    .sort();
}
