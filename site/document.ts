/** YAML text -> value, and the position of each path in it. Pure. */
import {
  LineCounter,
  Scalar,
  isMap,
  isPair,
  isScalar,
  isSeq,
  parseAllDocuments,
  visit,
} from "yaml";
import type { Document, Node } from "yaml";
import type { Issue, Path, Position } from "./issues";

/** Limit for the nodes that aliases expand to in all: more is an alias bomb. */
const MAX_ALIAS_COUNT = 100;

export interface SiteDocument {
  /** Without the keys and aliases that have issues. Undefined if nothing could be read. */
  value: unknown;
  issues: Issue[];
  /** Position of the value at a path or of its key, or of the nearest thing around it. */
  positionOf: (path: Path, ofKey?: boolean) => Position;
}

type At = (offset: number) => Position;

const EMPTY: Issue = {
  path: [],
  code: "empty",
  what: "the file is empty",
  remedy: "state flake, hypervisors and vms",
};

export function parseSiteDocument(text: string): SiteDocument {
  const lineCounter = new LineCounter();
  const documents = parseAllDocuments(text, {
    lineCounter,
    prettyErrors: false,
    uniqueKeys: false,
    version: "1.2",
  });
  const at: At = (offset) => {
    const { line, col } = lineCounter.linePos(offset);
    return { line: Math.max(1, line), column: Math.max(1, col) };
  };
  const list = Array.isArray(documents) ? documents : [];
  const document = list[0];
  if (document === undefined) {
    return { value: undefined, issues: [EMPTY], positionOf: () => ({ line: 1, column: 1 }) };
  }
  const syntax = document.errors.map((error): Issue => {
    const position = at(error.pos[0]);
    const remedy = "correct the YAML here";
    return { path: [], code: "syntax", position, what: error.message, remedy };
  });
  const issues = [...syntax, ...secondDocument(list[1], at), ...removeFaultyKeys(document, at)];
  issues.push(...removeOpenAliases(document, at));
  return {
    value: syntax.length === 0 ? toPlain(document, issues, at) : undefined,
    issues,
    positionOf: (path, ofKey) => at(offsetOf(document, path, ofKey ?? false)),
  };
}

function secondDocument(second: Document.Parsed | undefined, at: At): Issue[] {
  if (second === undefined) return [];
  const position = at(second.range[0]);
  const what = "there is a second YAML document";
  return [{ path: [], code: "documents", position, what, remedy: "keep one document in the file" }];
}

/** Keys that occur twice, and keys that JavaScript or YAML 1.1 would treat specially. */
function removeFaultyKeys(document: Document.Parsed, at: At): Issue[] {
  const issues: Issue[] = [];
  visit(document, {
    Map(_, map, ancestors) {
      const around = pathOf([...ancestors, map]);
      const first = new Map<string, Position>();
      map.items = map.items.filter((pair) => {
        if (!isScalar(pair.key)) return true;
        const key = String(pair.key.value);
        const position = at(startOf(pair.key) ?? 0);
        const issue = issueOfKey(key, first.get(key));
        first.set(key, first.get(key) ?? position);
        if (issue !== undefined) issues.push({ path: [...around, key], position, ...issue });
        return issue === undefined;
      });
    },
  });
  return issues;
}

function issueOfKey(
  key: string,
  first: Position | undefined,
): Pick<Issue, "code" | "what" | "remedy"> | undefined {
  const forbidden = { code: "forbidden-key", what: "is not allowed as a key" } as const;
  if (key === "__proto__") return { ...forbidden, remedy: "use another name" };
  if (key === "<<") {
    return { ...forbidden, remedy: "use a profile, or an alias for a whole value" };
  }
  if (first === undefined) return undefined;
  const what = `is a duplicate of the key in line ${first.line}`;
  return { code: "duplicate-key", what, remedy: "keep one of the two" };
}

/** Keys and indexes on the way through nodes, each of which holds the next. */
function pathOf(nodes: readonly unknown[]): Path {
  return nodes.flatMap((node, index): Path => {
    if (isPair(node)) return isScalar(node.key) ? [String(node.key.value)] : [];
    return isSeq(node) ? [node.items.indexOf(nodes[index + 1])] : [];
  });
}

/** Aliases without anchor become null, so that the rest of the file can be checked. */
function removeOpenAliases(document: Document.Parsed, at: At): Issue[] {
  const issues: Issue[] = [];
  visit(document, {
    Alias(_, alias, ancestors) {
      if (alias.resolve(document) !== undefined) return undefined;
      issues.push({
        path: pathOf([...ancestors, alias]),
        code: "alias",
        position: at(startOf(alias) ?? 0),
        what: `the alias *${alias.source} has no anchor`,
        remedy: `write the value out, or set the anchor &${alias.source} before it`,
      });
      const nothing = new Scalar(null);
      if (alias.range) nothing.range = alias.range;
      return nothing;
    },
  });
  return issues;
}

/** The value, or undefined and one issue more. */
function toPlain(document: Document.Parsed, issues: Issue[], at: At): unknown {
  try {
    const value: unknown = document.toJS({ maxAliasCount: MAX_ALIAS_COUNT });
    if (value !== null) return value;
    issues.push(EMPTY);
  } catch (error) {
    const isBomb = error instanceof ReferenceError;
    issues.push({
      path: [],
      code: "alias",
      what: isBomb ? "aliases expand to too many nodes" : "the YAML cannot be read",
      remedy: `write it out; at most ${MAX_ALIAS_COUNT} nodes may come from aliases`,
      ...(isBomb && { position: at(firstAlias(document)) }),
    });
  }
  return undefined;
}

function firstAlias(document: Document.Parsed): number {
  let offset: number | undefined;
  visit(document, {
    Alias(_, alias) {
      offset ??= startOf(alias);
    },
  });
  return offset ?? 0;
}

/** Offset of the value at the path, or of its key; follows the path as far as it exists. */
function offsetOf(document: Document.Parsed, path: Path, ofKey: boolean): number {
  let node: unknown = document.contents;
  let offset = document.contents?.range[0] ?? 0;
  for (const [index, part] of path.entries()) {
    const last = index === path.length - 1;
    if (isSeq(node) && typeof part === "number") {
      node = node.items[part];
    } else if (isMap(node)) {
      const pair = node.items.find(
        (item) => isPair(item) && isScalar(item.key) && String(item.key.value) === String(part),
      );
      if (pair === undefined) return offset;
      const key = startOf(pair.key);
      const value = startOf(pair.value);
      offset = (last && ofKey ? key : (value ?? key)) ?? offset;
      node = pair.value;
      continue;
    } else return offset;
    offset = startOf(node) ?? offset;
  }
  return offset;
}

function startOf(node: unknown): number | undefined {
  return isNodeWithRange(node) ? node.range[0] : undefined;
}

function isNodeWithRange(node: unknown): node is Node & { range: [number, number, number] } {
  return typeof node === "object" && node !== null && "range" in node && Array.isArray(node.range);
}
