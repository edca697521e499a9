/** The report of a contract suite: one line per check, and a summary. */
import { isDeepStrictEqual, inspect } from "node:util";

export class Report {
  private passed = 0;
  private failed = 0;

  /** A check whose failure does not keep the others from running. */
  async check(name: string, action: () => Promise<void> | void): Promise<void> {
    await this.step(name, action).catch(() => undefined);
  }

  /** A check without which the following ones make no sense: its failure ends the suite. */
  async step(name: string, action: () => Promise<void> | void): Promise<void> {
    const start = Date.now();
    const seconds = (): string => `${((Date.now() - start) / 1000).toFixed(1)} s`;
    try {
      await action();
      this.passed++;
      process.stdout.write(`ok      ${name} (${seconds()})\n`);
    } catch (error) {
      this.failed++;
      const text = error instanceof Error ? error.message : String(error);
      process.stdout.write(`FAILED  ${name} (${seconds()})\n${text.replace(/^/gm, "        ")}\n`);
      throw error;
    }
  }

  get counts(): { passed: number; failed: number } {
    return { passed: this.passed, failed: this.failed };
  }

  get summary(): string {
    return `${this.passed} passed, ${this.failed} failed`;
  }
}

/** Compares deeply. The message shows both values. */
export function same(actual: unknown, expected: unknown, what = "value"): void {
  if (isDeepStrictEqual(actual, expected)) return;
  throw new Error(`${what}: expected ${shown(expected)}\nactual   ${shown(actual)}`);
}

export function matches(actual: string, expected: RegExp, what = "text"): void {
  if (!expected.test(actual)) {
    throw new Error(`${what}: expected ${String(expected)}\nactual   ${shown(actual)}`);
  }
}

export function holds(condition: boolean, what: string): void {
  if (!condition) throw new Error(`expected: ${what}`);
}

const shown = (value: unknown): string =>
  inspect(value, { depth: 8, breakLength: 100, maxStringLength: 2000 });
