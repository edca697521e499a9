/**
 * Values in Markdown. Every text that does not come from this program goes through this file: as
 * code, in which GitHub, Gitea and Forgejo interpret no Markdown, HTML, mention or reference. Pure.
 */

const LONGEST_VALUE = 300;

/** C0 and C1 controls, and those that change the direction or the width of text. */
const INVISIBLE = /[\p{Cc}\p{Cf}\u2028\u2029]+/gu;

/** One line without invisible characters, cut where it is too long. */
export function oneLine(text: string, longest = LONGEST_VALUE): string {
  const line = text.replace(INVISIBLE, " ").trim();
  const characters = Array.from(line);
  return characters.length <= longest ? line : `${characters.slice(0, longest - 1).join("")}…`;
}

/** Inline code on one line; empty for an empty text. */
export function code(text: string, longest = LONGEST_VALUE): string {
  const line = oneLine(text, longest);
  if (line === "") return "";
  const fence = "`".repeat(longestRun(line) + 1);
  // A space keeps a backtick of the text apart from the fence. Markdown removes one on each side.
  const pad = line.startsWith("`") || line.endsWith("`") ? " " : "";
  return `${fence}${pad}${line}${pad}${fence}`;
}

/** The same in a cell of a table, where a pipe would end the cell, also in code. */
export function cell(text: string, longest = LONGEST_VALUE): string {
  return code(text, longest).replaceAll("|", "\\|");
}

/** A block of code of several lines. */
export function codeBlock(text: string, longest = 2_000): string {
  const lines = text.split("\n").map((line) => line.replace(INVISIBLE, " ").trimEnd());
  const whole = lines.join("\n");
  const short = whole.length <= longest ? whole : `${whole.slice(0, longest)}\n…`;
  const fence = "`".repeat(Math.max(3, longestRun(short) + 1));
  return `${fence}text\n${short}\n${fence}`;
}

/** Text in HTML, such as in a `<summary>`. */
export function html(text: string, longest = LONGEST_VALUE): string {
  const escaped = oneLine(text, longest).replace(/[&<>"'`|@#*_~[\]\\]/g, entity);
  return `<code>${escaped}</code>`;
}

const entity = (character: string): string => `&#${character.codePointAt(0) ?? 0};`;

function longestRun(text: string): number {
  return Math.max(0, ...[...text.matchAll(/`+/g)].map(([run]) => run.length));
}

/** A link if the address is one of the web, else only the text. `text` is this program's own. */
export function link(text: string, address: string): string {
  if (!URL.canParse(address)) return text;
  const url = new URL(address);
  if (!["http:", "https:"].includes(url.protocol)) return text;
  return `[${text}](<${url.href.replace(/[<>\s]/g, encodeURIComponent)}>)`;
}
