/**
 * Links in a project that lead to a big tree. Pulumi's language host walks the whole project, also
 * through links, to find the plugins that its packages need. A `result` of Nix, or the links of
 * nix-direnv to a flake's inputs, cost seconds of each pass.
 */
import { readdirSync, realpathSync } from "node:fs";
import type { Dirent } from "node:fs";
import { join, relative } from "node:path";

export interface LinkedTree {
  /** Relative to the project. */
  link: string;
  target: string;
}

/** These belong in a project, however big they are. */
const EXPECTED = new Set(["node_modules", ".git"]);
/** Links deeper than this are not looked for. */
const DEPTH = 4;
/** A tree with more entries than this is big. The host reads about 100,000 in a second. */
const BIG_TREE = 5_000;
/** The search reads no more entries of the project itself. */
const LIMIT = 5_000;

/** The links to trees outside the project that are big. Cheap where there are none. */
export function treesBehindLinks(project: string, bigTree = BIG_TREE): LinkedTree[] {
  const root = realpathSync(project);
  const outside = linksIn(root).filter(({ target }) => relative(root, target).startsWith(".."));
  return outside
    .filter(({ target }) => entriesIn(target, bigTree) > bigTree)
    .map(({ link, target }) => ({ link: relative(root, link), target }));
}

/** The links in the project, each with its final target. */
function linksIn(root: string): LinkedTree[] {
  const found: LinkedTree[] = [];
  let left = LIMIT;
  let directories = [root];
  for (let depth = 0; depth < DEPTH && left > 0; depth += 1) {
    const next: string[] = [];
    for (const directory of directories) {
      const entries = list(directory).filter(({ name }) => !EXPECTED.has(name));
      left -= entries.length;
      for (const entry of entries) {
        const path = join(directory, entry.name);
        if (entry.isDirectory()) next.push(path);
        if (entry.isSymbolicLink()) found.push({ link: path, target: targetOf(path) });
      }
    }
    directories = next;
  }
  return found;
}

/**
 * The number of entries below a directory, at most `limit` + 1. Links are followed, as the language
 * host does.
 */
function entriesIn(directory: string, limit: number): number {
  const seen = new Set<string>();
  const open = [directory];
  let count = 0;
  for (let next = open.pop(); next !== undefined && count <= limit; next = open.pop()) {
    if (seen.has(next)) continue;
    seen.add(next);
    for (const entry of list(next)) {
      count += 1;
      const path = join(next, entry.name);
      if (entry.isDirectory()) open.push(path);
      if (entry.isSymbolicLink()) open.push(targetOf(path));
    }
  }
  return Math.min(count, limit + 1);
}

/** No entries if it is not a directory, or cannot be read: the host goes on then too. */
function list(directory: string): Dirent[] {
  try {
    return readdirSync(directory, { withFileTypes: true });
  } catch {
    return [];
  }
}

function targetOf(link: string): string {
  try {
    return realpathSync(link);
  } catch {
    // It leads nowhere: as a directory it has no entries.
    return link;
  }
}
