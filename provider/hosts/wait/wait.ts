/** Waiting: every wait has a deadline, can be cancelled, and its error names what was waited for. */
import { setMaxListeners } from "node:events";
import { ProviderError } from "../../errors";

/** Until when, and what ends it sooner. A call of the engine is one. */
export interface Limits {
  /** Milliseconds since the epoch. */
  deadline: number;
  signal: AbortSignal;
}

/** The longest delay of setTimeout. */
const MAX_DELAY_MS = 2 ** 31 - 1;

/** The same limits with a deadline of its own, `seconds` from now. */
export function within<T extends Limits>(limits: T, seconds: number): T {
  return { ...limits, deadline: Date.now() + seconds * 1000 };
}

export class Wait {
  /** Aborted when the deadline has passed, and when the work is cancelled. */
  readonly signal: AbortSignal;
  private readonly expired = new AbortController();
  private timer: NodeJS.Timeout | undefined;
  private deadline: number;
  /** What is being waited for at the moment, for the error. */
  doing: () => string = () => "waiting";
  /** Why the last attempt failed, where there was one. */
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

  /** Replaces the deadline: what is waited for has reached a stage with a limit of its own. */
  extend(deadline: number): void {
    this.deadline = deadline;
    clearTimeout(this.timer);
    const left = Math.ceil(Math.min(this.millisecondsLeft(), MAX_DELAY_MS));
    this.timer = setTimeout(() => this.expired.abort(), left);
    // A wait alone keeps no process alive.
    this.timer.unref();
  }

  millisecondsLeft(): number {
    return Math.max(1, this.deadline - Date.now());
  }

  /** What is waited for, and why it takes so long. */
  now(): string {
    return this.cause === "" ? this.doing() : `${this.doing()}; before that: ${this.cause}`;
  }

  /** Why the wait has ended. */
  over(): ProviderError {
    const when = `while ${this.now()}`;
    return this.limits.signal.aborted
      ? new ProviderError("cancelled", `${this.host}: cancelled ${when}`)
      : new ProviderError("deadline", `${this.host}: timed out ${when}`);
  }

  /** The result of the work, or this wait's end, whichever comes first. */
  until<T>(work: Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      const end = (): void => reject(this.over());
      this.signal.addEventListener("abort", end, { once: true });
      work.then(resolve, reject).finally(() => this.signal.removeEventListener("abort", end));
      if (this.signal.aborted) end();
    });
  }
}

/** Resolves after the time, or as soon as the signal is aborted. */
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
