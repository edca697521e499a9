/**
 * Tokens of Flux's variable substitutions: fluxcd/pkg envsubst/parse/scan.go, with its quirks. It
 * has one mode per place, since what a character means depends on the function around it. Pure.
 */

export type Token = "end" | "text" | "open" | "close" | "illegal";

/** Whether a character belongs to the token, whose characters count from 1. */
export type Accept = (character: string, index: number) => boolean;

/** What the scanner recognizes. */
export interface Mode {
  text?: true;
  open?: true;
  close?: true;
  escape?: true;
}

export class Scanner {
  private readonly characters: string[];
  private position = 0;
  private start = 0;
  accept: Accept = () => true;
  mode: Mode = {};
  /** A backslash escapes only inside of `${}`; `$$` does everywhere. */
  escapesBackslash = false;

  constructor(text: string) {
    this.characters = Array.from(text);
  }

  /** The most recent token. */
  get token(): string {
    return this.characters.slice(this.start, this.position).join("");
  }

  /** The character after the next `ahead` ones. Empty at the end of the text. */
  peek(ahead = 0): string {
    return this.characters[this.position + ahead] ?? "";
  }

  scan(): Token {
    this.start = this.position;
    const first = this.read();
    if (first === "") return "end";
    if (this.opens(first)) {
      this.position += 1;
      return "open";
    }
    if (this.mode.close === true && first === "}") return "close";
    return this.mode.text === true && this.scanText(first) ? "text" : "illegal";
  }

  private scanText(first: string): boolean {
    if (this.isEscaped(first)) this.skip();
    else if (!this.accept(first, this.length)) return false;
    for (;;) {
      const next = this.read();
      if (next === "") return true;
      if (this.opens(next)) break;
      if (this.isEscaped(next)) {
        this.skip();
        continue;
      }
      if (!this.accept(next, this.length)) break;
    }
    this.position -= 1;
    return true;
  }

  private get length(): number {
    return this.position - this.start;
  }

  private read(): string {
    const next = this.peek();
    if (next !== "") this.position += 1;
    return next;
  }

  /** Removes the character that was read from the text, so the one after it is taken as it is. */
  private skip(): void {
    this.characters.splice(this.position - 1, 1);
  }

  private opens(character: string): boolean {
    return this.mode.open === true && character === "$" && this.peek() === "{";
  }

  private isEscaped(character: string): boolean {
    if (this.mode.escape !== true) return false;
    if (character === "$") return this.peek() === "$";
    return this.escapesBackslash && character === "\\" && ["/", "\\"].includes(this.peek());
  }
}
