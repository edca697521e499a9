/** Every wait has a deadline and can be cancelled. Its error names what it waited for. */
import { setMaxListeners } from "node:events";
import { ProviderError } from "../../errors";

/** The deadline and the cancellation of work. Each call of the engine has them. */
export interface Limits {
  /** Milliseconds since the epoch. */
  deadline: number;
  signal: AbortSignal;
}

/** The longest delay of setTimeout. */
const MAX_DELAY_MS = 2 ** 31 - 1;

/** The same limits with another deadline, `seconds` from now. */
export function within<T extends Limits>(limits: T, seconds: number): T {
  return { ...limits, deadline: Date.now() + seconds * 1000 };
}

export class Wait {
  /** Aborted when the deadline has passed or the work is cancelled. */
  readonly signal: AbortSignal;
  private readonly expired = new AbortController();
  private timer: NodeJS.Timeout | undefined;
  private deadline: number;
  /** What the wait currently waits for, for the error. */
  doing: () => string = () => "waiting";
  /** Why the last attempt failed, or empty. */
  cause = "";

  constructor(
    readonly host: string,
    private readonly limits: Limits,
  ) {
    this.signal = AbortSignal.any([limits.signal, this.expired.signal]);
    setMaxListeners(0, this.signal);
    this.deadline = limits.deadline;
    this.extend(limits.deadline);
  }

  /** Replaces the deadline, because the work has reached a stage with its own limit. */
  extend(deadline: number): void {
    this.deadline = deadline;
    clearTimeout(this.timer);
    const left = Math.ceil(Math.min(this.millisecondsLeft(), MAX_DELAY_MS));
    this.timer = setTimeout(() => this.expired.abort(), left);
    // A wait alone must not keep the process alive.
    this.timer.unref();
  }

  millisecondsLeft(): number {
    return Math.max(1, this.deadline - Date.now());
  }

  /** What the wait currently waits for, and the last error. */
  now(): string {
    return this.cause === "" ? this.doing() : `${this.doing()}; last error: ${this.cause}`;
  }

  /** The error of a wait that has ended. */
  over(): ProviderError {
    const when = `while ${this.now()}`;
    return this.limits.signal.aborted
      ? new ProviderError("cancelled", `${this.host}: cancelled ${when}`)
      : new ProviderError("deadline", `${this.host}: timed out ${when}`);
  }

  /** Resolves with the result of the work. Rejects if the wait ends first. */
  until<T>(work: Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      const end = (): void => reject(this.over());
      this.signal.addEventListener("abort", end, { once: true });
      work.then(resolve, reject).finally(() => this.signal.removeEventListener("abort", end));
      if (this.signal.aborted) end();
    });
  }
}

/** Resolves after the delay, or as soon as the signal is aborted. */
export function pause(milliseconds: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      clearTimeout(timer);
      signal.removeEventListener("abort", done);
      resolve();
    };
    const timer = setTimeout(done, milliseconds);
    signal.addEventListener("abort", done, { once: true });
    if (signal.aborted) done();
  });
}
