/** Limits how many tasks run at once. Other tasks wait in order, up to their own deadlines. */
import type { Wait } from "./wait";

export class Limiter {
  private readonly running: string[] = [];
  private readonly queue: (() => void)[] = [];

  /** `what`: what the tasks wait for, for messages: `a slot of hv1`. */
  constructor(
    private size: number,
    private readonly what = "its turn",
  ) {}

  /**
   * Runs the task when there is room. A task whose wait has ended does not start. `name`: the
   * task's name in messages. `onQueue`: receives a status line if the task has to wait.
   */
  async run<T>(
    wait: Wait,
    task: () => Promise<T>,
    name = "",
    onQueue?: (line: string) => void,
  ): Promise<T> {
    wait.doing = () => `waiting for ${this.what}${this.holders()}`;
    if (wait.signal.aborted) throw wait.over();
    if (this.running.length < this.size) this.running.push(name);
    else {
      onQueue?.(`waiting for ${this.what}${this.holders()}, ${this.queue.length} before it`);
      await this.turn(wait, name);
    }
    try {
      return await task();
    } finally {
      this.running.splice(this.running.indexOf(name), 1);
      this.admit();
    }
  }

  /** Reduces the limit to the number of other running tasks: the calling task did not fit. */
  shrink(): void {
    this.size = Math.max(1, Math.min(this.size, this.running.length - 1));
  }

  /** ` (in use by kw1, kw2)`. Tasks without a name are left out. */
  private holders(): string {
    const names = this.running.filter((name) => name !== "");
    return names.length === 0 ? "" : ` (in use by ${names.join(", ")})`;
  }

  private turn(wait: Wait, name: string): Promise<void> {
    return new Promise((resolve, reject) => {
      const enter = (): void => {
        wait.signal.removeEventListener("abort", leave);
        this.running.push(name);
        resolve();
      };
      const leave = (): void => {
        this.queue.splice(this.queue.indexOf(enter), 1);
        reject(wait.over());
      };
      this.queue.push(enter);
      wait.signal.addEventListener("abort", leave, { once: true });
    });
  }

  private admit(): void {
    while (this.running.length < this.size) {
      const next = this.queue.shift();
      if (next === undefined) return;
      next();
    }
  }
}
