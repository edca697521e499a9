/** The mistakes of docs/troubleshooting.md. Tests produce each of them: `documented`. */
import { readFileSync } from "node:fs";
import { join } from "node:path";

export interface Mistake {
  name: string;
  /** `...` stands for any text. */
  excerpts: string[];
}

const PAGE = join(__dirname, "..", "docs", "troubleshooting.md");

export function mistakes(): Mistake[] {
  const rows = readFileSync(PAGE, "utf8").matchAll(/^\| (.*?) \| (.*?) \|/gm);
  return [...rows]
    .map(([, name = "", message = ""]) => {
      const found = [...message.matchAll(/`([^`]+)`/g)];
      return { name, excerpts: found.map(([, excerpt = ""]) => excerpt) };
    })
    .filter(({ excerpts }) => excerpts.length > 0);
}

/** What the page says that users see: the nth excerpt of this mistake. */
export function documented(name: string, nth = 0): RegExp {
  const excerpt = mistakes().find((one) => one.name === name)?.excerpts[nth];
  if (excerpt === undefined) throw new Error(`docs/troubleshooting.md does not have: ${name}`);
  return new RegExp(excerpt.split("...").map(escaped).join("[^]*?"));
}

const escaped = (text: string): string => text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
