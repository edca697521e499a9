/** The guides, taken apart: their commands, YAML, links, and the words in their text. */
import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";

export const CHECKOUT = join(__dirname, "..");
const GUIDES = join("docs", "guides");

/** Paths from the checkout. */
export const PAGES: readonly string[] = [
  ...readdirSync(join(CHECKOUT, GUIDES)).map((name) => join(GUIDES, name)),
  join("docs", "troubleshooting.md"),
  join("templates", "site", "README.md"),
];

/** The guides and all other documentation. */
export const EVERY_PAGE: readonly string[] = [
  ...readdirSync(join(CHECKOUT, "docs"), { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".md"))
    .map((name) => join("docs", name)),
  ...["README.md", "CONTRIBUTING.md", "CHANGELOG.md"],
  join("templates", "site", "README.md"),
];

export const read = (page: string): string => readFileSync(join(CHECKOUT, page), "utf8");

/** The fenced blocks in this language, without their indentation. "" for commands. */
export function blocks(text: string, language: string): string[] {
  const found = text.matchAll(/^( *)```(\w*)\n([^]*?)^\1```$/gm);
  return [...found]
    .filter(([, , name]) => name === language)
    .map(([, indent = "", , body = ""]) => body.replaceAll(new RegExp(`^${indent}`, "gm"), ""));
}

/** The words of each command, without comments and without redirections. */
export function commands(text: string): string[][] {
  return blocks(text, "").flatMap((block) =>
    block
      .replaceAll(/\\\n\s*/g, "")
      .split("\n")
      .map((line) => wordsOf(line))
      .filter((words) => words.length > 0),
  );
}

/** Words as a shell makes them: quotes are removed, and a comment ends the line. */
function wordsOf(line: string): string[] {
  const words = line.replace(/\s#.*$/, "").match(/(?:[^\s"']|"[^"]*"|'[^']*')+/g) ?? [];
  return words.filter((word) => !/^[<>]/.test(word)).map((word) => word.replaceAll(/["']/g, ""));
}

/** Inline code, outside of fenced blocks. */
export function inlineCode(text: string): string[] {
  const prose = text.replaceAll(/^( *)```[^]*?^\1```$/gm, "");
  return [...prose.matchAll(/`([^`\n]+)`/g)].map(([, code = ""]) => code);
}

/** Targets of links, without addresses in the web. */
export function links(text: string): string[] {
  const all = [...text.matchAll(/\]\(([^)\s]+)\)/g)].map(([, target = ""]) => target);
  return all.filter((target) => !/^https?:/.test(target));
}
