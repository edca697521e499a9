/** YAML text -> value, and the position of each path in it. */
import { LineCounter, isMap, isPair, isScalar, isSeq, parseAllDocuments, visit } from "yaml";
import type { Document, Node } from "yaml";
import type { Fault, Position } from "./faults";

/** An alias may stand for this many nodes in all; more is an alias bomb. */
const MAX_ALIAS_COUNT = 100;

export interface SiteDocument {
  value: unknown;
  faults: Fault[];
  /** Where the value at a path stands, or the nearest thing around it. */
  positionOf: (path: readonly (string | number)[], ofKey?: boolean) => Position;
}

export function parseSiteDocument(text: string): SiteDocument {
  const lineCounter = new LineCounter();
  const documents = parseAllDocuments(text, { lineCounter, uniqueKeys: true, version: "1.2" });
  const at = (offset: number): Position => {
    const { line, col } = lineCounter.linePos(offset);
    return { line: Math.max(1, line), column: Math.max(1, col) };
  };
  const list = Array.isArray(documents) ? documents : [];
  const document = list[0];
  if (document === undefined) {
    const remedy = "state flake, hypervisors and vms";
    return {
      value: {},
      faults: [{ path: [], what: "the file is empty", remedy }],
      positionOf: () => ({ line: 1, column: 1 }),
    };
  }
  const faults: Fault[] = document.errors.map((error) => ({
    path: [],
    position: at(error.pos[0]),
    what: (error.message.split(/ at line |\n/)[0] ?? "").replace(/;/g, ","),
    remedy: error.code === "DUPLICATE_KEY" ? "keep one of the two" : "mend the YAML here",
  }));
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
  faults.push(...dangerousKeys(document, at));
  const plain = faults.length === 0 ? toPlain(document, faults) : undefined;
  return {
    value: plain,
    faults,
    positionOf: (path, ofKey) => at(offsetOf(document, path, ofKey ?? false)),
  };
}

/** Keys that mean something to JavaScript or to YAML 1.1, and would be lost on the way. */
function dangerousKeys(document: Document.Parsed, at: (offset: number) => Position): Fault[] {
  const faults: Fault[] = [];
  visit(document, {
    Pair(_, pair) {
      const key = isScalar(pair.key) ? pair.key.value : undefined;
      if (key !== "__proto__" && key !== "<<") return;
      const position = at(startOf(pair.key) ?? 0);
      const remedy =
        key === "<<" ? "use a profile, or an alias for a whole value" : "use another name";
      faults.push({ path: [key], position, what: "is not allowed as a key", remedy });
    },
  });
  return faults;
}

function toPlain(document: Document.Parsed, faults: Fault[]): unknown {
  try {
    const value: unknown = document.toJS({ maxAliasCount: MAX_ALIAS_COUNT });
    if (value === null)
      faults.push({
        path: [],
        what: "the file is empty",
        remedy: "state flake, hypervisors and vms",
      });
    return value;
  } catch (error) {
    const what =
      error instanceof ReferenceError
        ? "aliases stand for too much, or for nothing"
        : "the YAML can't be read";
    faults.push({
      path: [],
      what,
      remedy: `write it out; at most ${MAX_ALIAS_COUNT} nodes may come from aliases`,
    });
    return undefined;
  }
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
