/** At most so many tasks at once; the others wait in order, each as long as its own wait allows. */
import type { Wait } from "./wait";

export class Limiter {
  private used = 0;
  private readonly queue: (() => void)[] = [];

  constructor(private size: number) {}

  /** Runs the task when there is room. A task whose wait is over is never begun. */
  async run<T>(wait: Wait, task: () => Promise<T>): Promise<T> {
    wait.doing = () => "waiting for its turn";
    if (wait.signal.aborted) throw wait.over();
    if (this.used < this.size) this.used += 1;
    else await this.turn(wait);
    try {
      return await task();
    } finally {
      this.used -= 1;
      this.admit();
    }
  }

  /** Called by a task that found less room than was thought: all but itself have what there is. */
  shrink(): void {
    this.size = Math.max(1, Math.min(this.size, this.used - 1));
  }

  private turn(wait: Wait): Promise<void> {
    return new Promise((resolve, reject) => {
      const enter = (): void => {
        wait.signal.removeEventListener("abort", leave);
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
    while (this.used < this.size) {
      const next = this.queue.shift();
      if (next === undefined) return;
      this.used += 1;
      next();
    }
  }
}
