/** What is wrong in a site file, and where. */

export interface Fault {
  /** Path in the YAML, as keys and indexes. */
  path: readonly (string | number)[];
  what: string;
  remedy: string;
  /** 1-based; by default that of the value at `path`. */
  position?: Position;
}

export interface Position {
  line: number;
  column: number;
}

/** Every fault of a site file, one line each: `stacks/x.yaml:14:7 vms.kc1.mac: what; what to do`. */
export class SiteError extends Error {
  constructor(readonly faults: readonly string[]) {
    super(faults.join("\n"));
    this.name = "SiteError";
  }
}

export function formatPath(path: readonly (string | number)[]): string {
  return path
    .map((part, index) => {
      if (typeof part === "number") return `[${part}]`;
      const plain = /^[A-Za-z_][A-Za-z0-9_-]*$/.test(part) ? part : JSON.stringify(part);
      return index === 0 ? plain : `.${plain}`;
    })
    .join("");
}

/** The one of `known` that is nearest to a mistyped word, if any is near. */
export function nearest(word: string, known: readonly string[]): string | undefined {
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

/** `did you mean x? Known: a, b` */
export function suggestion(word: string, known: readonly string[]): string {
  const near = nearest(word, known);
  const list = known.length === 0 ? "there are none" : `known: ${known.join(", ")}`;
  return near === undefined ? list : `did you mean ${near}? ${list}`;
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
