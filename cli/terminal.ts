/** What the program writes to people: results to stdout, progress and errors to stderr. */
import { styleText } from "node:util";

type Style = "red" | "yellow" | "green" | "bold" | "dim";

export interface Terminal {
  /** A result. */
  print(text: string): void;
  /** About the run itself: not part of the result. */
  note(text: string): void;
  /** Colored if stdout is a terminal that shows colors. */
  paint(style: Style, text: string): string;
  /** Tells what is done for as long as it takes, if that is more than a second. */
  during<T>(what: string, work: () => Promise<T>): Promise<T>;
}

const AFTER_MS = 1_000;
/** Without a terminal each line stays: fewer of them. */
const EVERY_MS = { terminal: 1_000, log: 30_000 };

export function processTerminal(): Terminal {
  const isTerminal = process.stderr.isTTY;
  return {
    print: (text) => void process.stdout.write(`${text}\n`),
    note: (text) => void process.stderr.write(`${text}\n`),
    // Looks at NO_COLOR, FORCE_COLOR and the terminal.
    paint: (style, text) => styleText(style, text, { stream: process.stdout }),
    async during(what, work) {
      const start = Date.now();
      const say = (): void => {
        const seconds = Math.round((Date.now() - start) / 1000);
        const line = `${what} ... ${seconds} s`;
        process.stderr.write(isTerminal ? `\r\u001b[K${line}` : `${line}\n`);
      };
      const state: { timer: NodeJS.Timeout | undefined; isShown: boolean } = {
        timer: undefined,
        isShown: false,
      };
      const tick = (): void => {
        say();
        state.isShown = true;
        state.timer = setTimeout(tick, isTerminal ? EVERY_MS.terminal : EVERY_MS.log);
      };
      state.timer = setTimeout(tick, AFTER_MS);
      try {
        return await work();
      } finally {
        clearTimeout(state.timer);
        if (state.isShown && isTerminal) process.stderr.write("\r\u001b[K");
      }
    },
  };
}
