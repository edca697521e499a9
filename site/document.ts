/** YAML text -> value, and the position of each path in it. */
import { LineCounter, isMap, isPair, isScalar, isSeq, parseAllDocuments, visit } from "yaml";
import type { Document, Node } from "yaml";
import type { Fault, Position } from "./faults";

/** An alias may stand for this many nodes in all; more is an alias bomb. */
const MAX_ALIAS_COUNT = 100;

export interface SiteDocument {
  /** Without what the faults are about; undefined where nothing could be read. */
  value: unknown;
  faults: Fault[];
  /** Where the value at a path stands, or the nearest thing around it. */
  positionOf: (path: readonly (string | number)[], ofKey?: boolean) => Position;
}

export function parseSiteDocument(text: string): SiteDocument {
  const lineCounter = new LineCounter();
  const documents = parseAllDocuments(text, { lineCounter, uniqueKeys: false, version: "1.2" });
  const at: At = (offset) => {
    const { line, col } = lineCounter.linePos(offset);
    return { line: Math.max(1, line), column: Math.max(1, col) };
  };
  const list = Array.isArray(documents) ? documents : [];
  const document = list[0];
  if (document === undefined) {
    const remedy = "state flake, hypervisors and vms";
    return {
      value: undefined,
      faults: [{ path: [], what: "the file is empty", remedy }],
      positionOf: () => ({ line: 1, column: 1 }),
    };
  }
  const faults: Fault[] = document.errors.map((error) => ({
    path: [],
    position: at(error.pos[0]),
    what: (error.message.split(/ at line |\n/)[0] ?? "").replace(/;/g, ","),
    remedy: "mend the YAML here",
  }));
  const readable = faults.length === 0;
  const second = list[1];
  if (second !== undefined) {
    const position = at(second.range[0]);
    faults.push({
      path: [],
      position,
      what: "there is a second YAML document",
      remedy: "keep one document in the file",
    });
  }
  faults.push(...removeFaultyKeys(document, at));
  return {
    value: readable ? toPlain(document, faults, at) : undefined,
    faults,
    positionOf: (path, ofKey) => at(offsetOf(document, path, ofKey ?? false)),
  };
}

type At = (offset: number) => Position;

/** Keys that stand twice, or that mean something to JavaScript or to YAML 1.1 and would be lost on the way. */
function removeFaultyKeys(document: Document.Parsed, at: At): Fault[] {
  const faults: Fault[] = [];
  visit(document, {
    Map(_, map, ancestors) {
      const around = pathOf([...ancestors, map]);
      const first = new Map<string, Position>();
      map.items = map.items.filter((pair) => {
        if (!isScalar(pair.key)) return true;
        const key = String(pair.key.value);
        const position = at(startOf(pair.key) ?? 0);
        const fault = faultOfKey(key, first.get(key));
        first.set(key, first.get(key) ?? position);
        if (fault !== undefined) faults.push({ path: [...around, key], position, ...fault });
        return fault === undefined;
      });
    },
  });
  return faults;
}

function faultOfKey(
  key: string,
  first: Position | undefined,
): Pick<Fault, "what" | "remedy"> | undefined {
  if (key === "__proto__") return { what: "is not allowed as a key", remedy: "use another name" };
  if (key === "<<") {
    const remedy = "use a profile, or an alias for a whole value";
    return { what: "is not allowed as a key", remedy };
  }
  if (first === undefined) return undefined;
  return { what: `is a key of line ${first.line} already`, remedy: "keep one of the two" };
}

/** Keys and indexes on the way through nodes, each of which holds the next. */
function pathOf(nodes: readonly unknown[]): (string | number)[] {
  return nodes.flatMap((node, index): (string | number)[] => {
    if (isPair(node)) return isScalar(node.key) ? [String(node.key.value)] : [];
    return isSeq(node) ? [node.items.indexOf(nodes[index + 1])] : [];
  });
}

/** The value, or undefined with the fault that it has. */
function toPlain(document: Document.Parsed, faults: Fault[], at: At): unknown {
  const open = unresolvedAliases(document, at);
  if (open.length > 0) {
    faults.push(...open);
    return undefined;
  }
  try {
    const value: unknown = document.toJS({ maxAliasCount: MAX_ALIAS_COUNT });
    if (value !== null) return value;
    faults.push({
      path: [],
      what: "the file is empty",
      remedy: "state flake, hypervisors and vms",
    });
  } catch (error) {
    const isBomb = error instanceof ReferenceError;
    faults.push({
      path: [],
      what: isBomb ? "aliases stand for too much" : "the YAML can't be read",
      remedy: `write it out; at most ${MAX_ALIAS_COUNT} nodes may come from aliases`,
      ...(isBomb && { position: at(firstAlias(document)) }),
    });
  }
  return undefined;
}

function unresolvedAliases(document: Document.Parsed, at: At): Fault[] {
  const faults: Fault[] = [];
  visit(document, {
    Alias(_, alias, ancestors) {
      if (alias.resolve(document) !== undefined) return;
      faults.push({
        path: pathOf([...ancestors, alias]),
        position: at(startOf(alias) ?? 0),
        what: `the alias *${alias.source} stands for nothing`,
        remedy: `write the value out, or set its anchor &${alias.source} before it`,
      });
    },
  });
  return faults;
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

/** Follows the path as far as it goes; the offset of the value, or of its key. */
function offsetOf(
  document: Document.Parsed,
  path: readonly (string | number)[],
  ofKey: boolean,
): number {
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
