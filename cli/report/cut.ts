/** A comment has a longest length: what is least important is left out, and that is said. Pure. */

/** Items of one section that may be left out from the end. */
export interface Block {
  /** Lines before the items. Empty if the block is empty. */
  head: string;
  items: string[];
  /** Lines after the items. */
  foot: string;
  /** What the items are called: `resources`. */
  noun: string;
  /** The lower, the sooner they are left out. */
  importance: number;
}

/** GitHub refuses comments over 65,536 characters, Gitea and Forgejo have larger limits. */
export const LONGEST_COMMENT = 60_000;

/** The blocks as one text. */
export function fit(blocks: readonly Block[], where: string, longest = LONGEST_COMMENT): string {
  const kept = new Map(blocks.map((block) => [block, block.items.length]));
  const text = (): string => blocks.map((block) => render(block, kept, where)).join("");
  const byImportance = [...blocks].sort((a, b) => a.importance - b.importance);
  for (const block of byImportance) {
    if (text().length <= longest) break;
    leaveOut(block, kept, text, longest);
  }
  const whole = text();
  return whole.length <= longest ? whole : cutOff(whole, where, longest);
}

/** Bisects for the most items of the block with which all fits. */
function leaveOut(
  block: Block,
  kept: Map<Block, number>,
  text: () => string,
  longest: number,
): void {
  let fits = 0;
  let tooMany = block.items.length;
  while (tooMany - fits > 1) {
    const middle = Math.floor((fits + tooMany) / 2);
    kept.set(block, middle);
    if (text().length <= longest) fits = middle;
    else tooMany = middle;
  }
  kept.set(block, fits);
}

function render(block: Block, kept: ReadonlyMap<Block, number>, where: string): string {
  const { head, items, foot, noun } = block;
  if (head === "" && items.length === 0) return "";
  const count = kept.get(block) ?? items.length;
  const missing = items.length - count;
  const note = missing === 0 ? "" : `\n*${missing} ${noun} left out: ${where} has all.*\n`;
  return `${head}${items.slice(0, count).join("")}${foot}${note}`;
}

/** Only if what is never left out is too long by itself. */
function cutOff(text: string, where: string, longest: number): string {
  const note = `\n\n*The rest is left out: ${where} has all.*\n`;
  const end = text.lastIndexOf("\n", longest - note.length - CLOSING.length);
  return `${text.slice(0, Math.max(0, end))}${CLOSING}${note}`;
}

/** Ends a block of code or folded details that the cut may have left open. */
const CLOSING = "\n```\n</details>\n";
