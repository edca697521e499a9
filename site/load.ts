/** Reads a site file. The only file of `site/` with effects, beside `writeSchema.ts`. */
import { readFileSync, statSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { parseSiteDocument } from "./document";
import type { SiteDocument } from "./document";
import type { FileKind } from "./draft";
import { finish } from "./finish";
import { SiteError } from "./issues";
import type { Issue, LocatedIssue } from "./issues";
import type { SiteModel } from "./model";
import { normalise } from "./normalise";
import type { Paths } from "./normalise";
import { checkRules } from "./rules";
import { readSiteFile } from "./siteFile";
import { warningsOf } from "./warnings";

/** A site, and what it risks. */
export interface LoadedSite {
  model: SiteModel;
  /** In the order of the file. */
  warnings: LocatedIssue[];
}

/** The site at `file`. Throws SiteError with every issue, each with its position and remedy. */
export function loadSite(file: string): SiteModel {
  return loadSiteWithWarnings(file).model;
}

export function loadSiteWithWarnings(file: string): LoadedSite {
  let text: string;
  try {
    text = readFileSync(file, "utf8");
  } catch (error) {
    const cause = error instanceof Error ? error.message : String(error);
    const what = `the site file cannot be read: ${cause}`;
    const remedy = "correct its path: `pulumi config set site FILE`";
    throw new SiteError([{ file, path: [], code: "unreadable", what, remedy }]);
  }
  return parseSiteWithWarnings(text, file);
}

/** As loadSite, from text. Messages name `file`, and relative paths start at its directory. */
export function parseSite(text: string, file: string): SiteModel {
  return parseSiteWithWarnings(text, file).model;
}

export function parseSiteWithWarnings(text: string, file: string): LoadedSite {
  const document = parseSiteDocument(text);
  const { model, issues } = read(document, pathsFrom(dirname(resolve(file))));
  const located = inOrder(issues.map((issue) => locate(issue, document, file)));
  if (model === undefined) throw new SiteError(located);
  return { model, warnings: located };
}

/**
 * YAML -> what passes the schema -> draft -> rules -> model. Each step adds its issues. The issues
 * beside a model are warnings.
 */
function read(
  document: SiteDocument,
  paths: Paths,
): { model?: SiteModel; issues: readonly Issue[] } {
  if (document.value === undefined) return { issues: document.issues };
  const read = readSiteFile(document.value, document.issues);
  const issues = [...document.issues, ...read.issues];
  if (read.file === undefined) return { issues };
  const draft = normalise(read, paths);
  issues.push(...checkRules(draft));
  return issues.length === 0 ? { model: finish(draft), issues: warningsOf(draft) } : { issues };
}

function locate(issue: Issue, document: SiteDocument, file: string): LocatedIssue {
  const ofKey = issue.code === "unknown-key";
  return { file, ...issue, position: issue.position ?? document.positionOf(issue.path, ofKey) };
}

/** In the order of the file. */
function inOrder(issues: LocatedIssue[]): LocatedIssue[] {
  const start = { line: 0, column: 0 };
  return issues.sort(({ position: a = start }, { position: b = start }) =>
    a.line === b.line ? a.column - b.column : a.line - b.line,
  );
}

function pathsFrom(directory: string): Paths {
  return {
    flake: (reference) => absoluteFlake(reference, directory),
    // `~` is the home of the user who runs the provider, so it stays.
    file: (path) => (path.startsWith("~/") ? path : resolve(directory, path)),
    kindOf,
  };
}

function kindOf(path: string): FileKind {
  const status = statSync(path, { throwIfNoEntry: false });
  if (status === undefined) return "none";
  return status.isDirectory() ? "directory" : "file";
}

/** `../x`, `path:../x` and `git+file:../x` are relative to the site file. */
function absoluteFlake(reference: string, directory: string): string {
  const local = /^(path:|git\+file:)?((?:\.{1,2}(?:\/|$)|\/).*)$/.exec(reference);
  if (local === null) return reference;
  return `${local[1] ?? ""}${resolve(directory, local[2] ?? "")}`;
}
