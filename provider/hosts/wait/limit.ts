/** At most so many tasks at once; the others wait in order, each as long as its own wait allows. */
import type { Wait } from "./wait";

export class Limiter {
  private readonly running: string[] = [];
  private readonly queue: (() => void)[] = [];

  /** `what`: what the tasks wait for, in messages: `a slot of hv1`. */
  constructor(
    private size: number,
    private readonly what = "its turn",
  ) {}

  /**
   * Runs the task when there is room. A task whose wait is over is never started. `name`: the task
   * in messages. `onQueue`: called with a line for people when the task has to wait.
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

  /** For a task that found less room than was thought: all but itself have what there is. */
  shrink(): void {
    this.size = Math.max(1, Math.min(this.size, this.running.length - 1));
  }

  /** ` (in use by kw1, kw2)`, so far as the tasks have names. */
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
