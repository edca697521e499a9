/** Where the site file of a stack is. Imports nothing of Pulumi: the program and the CLI use it. */
import { existsSync, readdirSync } from "node:fs";
import { join, relative, resolve } from "node:path";

const SITES = "stacks";

/** The stack has no site file. */
export class NoSiteFile extends Error {}

/**
 * `site` of the stack's configuration, relative to the project, or else stacks/STACK.yaml of the
 * project. Throws NoSiteFile if nothing is configured and that file does not exist.
 */
export function siteFileOf(project: string, stack: string, configured: string | undefined): string {
  if (configured !== undefined) return resolve(project, configured);
  const file = join(SITES, `${stack}.yaml`);
  if (existsSync(join(project, file))) return join(project, file);
  const others = siteFiles(join(project, SITES));
  throw new NoSiteFile(
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

/** The path as messages name it: relative if it is below the working directory. */
export function shownPath(file: string): string {
  const inside = relative(process.cwd(), file);
  return inside.startsWith("..") ? file : inside;
}
