/** What is wrong in a site file, as data. Only `formatIssue` makes text of it. */

/** Path in the YAML, as keys and indexes. */
export type Path = readonly (string | number)[];

export type IssueCode =
  /** The file cannot be read or is not one YAML document. */
  | "unreadable"
  | "empty"
  | "syntax"
  | "documents"
  | "alias"
  /** A key that is not allowed, that occurs twice, or that the schema does not have. */
  | "forbidden-key"
  | "duplicate-key"
  | "unknown-key"
  /** A value that the schema rejects. */
  | "wrong-type"
  | "not-one-of"
  | "out-of-range"
  | "malformed"
  /** Rules on the model. */
  | "missing"
  | "unknown-reference"
  | "loop"
  | "not-unique"
  | "network"
  | "inconsistent"
  | "capacity"
  | "reserved"
  | "unsupported"
  | "rename"
  /** Warnings. */
  | "quorum"
  | "endpoint";

/** One fault, and what to do about it. */
export interface Issue {
  path: Path;
  code: IssueCode;
  what: string;
  /** An instruction. */
  remedy: string;
  /** 1-based. Default: the position of the value at `path`. */
  position?: Position;
}

export interface Position {
  line: number;
  column: number;
}

export interface LocatedIssue extends Issue {
  file: string;
  /** Absent when the file could not be read. */
  position?: Position;
}

/** Every issue of a site file. The message has one line for each. */
export class SiteError extends Error {
  constructor(readonly issues: readonly LocatedIssue[]) {
    super([...new Set(issues.map(formatIssue))].join("\n"));
    this.name = "SiteError";
  }
}

/** `stacks/x.yaml:14:7 vms.kc1.mac: what; what to do` */
export function formatIssue({ file, position, path, what, remedy }: LocatedIssue): string {
  const at = position === undefined ? "" : `:${position.line}:${position.column}`;
  const where = path.length === 0 ? "" : ` ${formatPath(path)}`;
  return `${file}${at}${where}: ${what}; ${remedy}`;
}

function formatPath(path: Path): string {
  return path
    .map((part, index) => {
      if (typeof part === "number") return `[${part}]`;
      const plain = /^[A-Za-z_][A-Za-z0-9_-]*$/.test(part) ? part : JSON.stringify(part);
      return index === 0 ? plain : `.${plain}`;
    })
    .join("");
}

/** `did you mean x? Known: a, b` */
export function suggestion(word: string, known: readonly string[]): string {
  const near = nearest(word, known);
  const list = known.length === 0 ? "there are none" : `known: ${known.join(", ")}`;
  return near === undefined ? list : `did you mean ${near}? ${list}`;
}

/** The known word that is nearest to a mistyped one, if any is near. */
function nearest(word: string, known: readonly string[]): string | undefined {
  const scored = known
    .map((candidate) => ({
      candidate,
      distance: editDistance(word.toLowerCase(), candidate.toLowerCase()),
    }))
    .sort((a, b) => a.distance - b.distance);
  const best = scored[0];
  const limit = Math.max(1, Math.floor(word.length / 3));
  return best !== undefined && best.distance <= limit ? best.candidate : undefined;
}

function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (const [i, left] of Array.from(a).entries()) {
    const next = [i + 1];
    for (const [j, right] of Array.from(b).entries()) {
      const swap = (row[j] ?? 0) + (left === right ? 0 : 1);
      next.push(Math.min((row[j + 1] ?? 0) + 1, (next[j] ?? 0) + 1, swap));
    }
    row = next;
  }
  return row[b.length] ?? 0;
}
