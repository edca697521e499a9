/** Where the tree states something: FILE:LINE, for messages and for the adopter of a release. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { LineCounter, isMap, isScalar, isSeq, parseAllDocuments } from "yaml";
import { shownPath } from "../../siteFile";
import type { TreeObject } from "../tree/objects";

/** Finds FILE:LINE of a path in an object. `root` is the directory of the repository. */
export type Locate = (object: TreeObject, ...path: string[]) => string;

export function locator(root: string): Locate {
  return (object, ...path) => {
    const { file, kustomization } = object.origin;
    if (file === "") return `Kustomization ${kustomization}`;
    const absolute = join(root, file);
    const line = lineOf(readIfPossible(absolute), object, path);
    return `${shownPath(absolute)}:${line}`;
  };
}

/** A base may be outside of the repository. */
function readIfPossible(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return "";
  }
}

/**
 * The line of the key at the path, or of the deepest key on the way to it. What a patch adds is not
 * in the file of the object, so there the line is that of the object. Pure.
 */
export function lineOf(
  text: string,
  { kind, name }: Pick<TreeObject, "kind" | "name">,
  path: readonly string[],
): number {
  const lines = new LineCounter();
  const documents = parseAllDocuments(text, { lineCounter: lines, logLevel: "silent" });
  const all = (Array.isArray(documents) ? documents : []).filter(
    (document) => isMap(document.contents) && document.get("kind") === kind,
  );
  const ownName = (document: (typeof all)[number]): string =>
    String(document.getIn(["metadata", "name"]));
  const document =
    all.find((one) => ownName(one) === name) ??
    // namePrefix and nameSuffix of kustomize.
    all.find((one) => name.includes(ownName(one))) ??
    all[0];
  let node: unknown = document?.contents;
  let offset = document?.contents?.range[0] ?? 0;
  for (const part of path) {
    if (isSeq(node)) {
      node = node.items[Number(part)];
      offset = startOf(node) ?? offset;
      continue;
    }
    if (!isMap(node)) break;
    const pair = node.items.find(({ key }) => isScalar(key) && String(key.value) === part);
    if (pair === undefined) break;
    offset = startOf(pair.key) ?? offset;
    node = pair.value;
  }
  return Math.max(1, lines.linePos(offset).line);
}

function startOf(node: unknown): number | undefined {
  const range: unknown = isScalar(node) || isMap(node) || isSeq(node) ? node.range : undefined;
  return Array.isArray(range) && typeof range[0] === "number" ? range[0] : undefined;
}
