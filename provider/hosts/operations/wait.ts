/** Waiting: every wait has a deadline, can be cancelled, and says in its error what was waited for. */
import { setMaxListeners } from "node:events";
import { ProviderError } from "../../errors";

/** Until when, and what ends it sooner. A call of the engine is one. */
export interface Limits {
  /** Milliseconds since the epoch. */
  deadline: number;
  signal: AbortSignal;
}

export class Wait {
  /** Given when the time is over, and when the work is cancelled. */
  readonly signal: AbortSignal;
  /** Held here: Node 20 collects a timeout that only AbortSignal.any knows, and then it never comes. */
  private readonly timeout: AbortSignal;
  /** What is being waited for at the moment, for the error. */
  doing: () => string = () => "waiting";
  /** Why the last attempt failed, where there was one. */
  cause = "";

  constructor(
    readonly host: string,
    private readonly limits: Limits,
  ) {
    // Whole milliseconds, or AbortSignal.timeout throws.
    const left = Math.ceil(Math.max(0, Math.min(limits.deadline - Date.now(), 2 ** 31 - 1)));
    this.timeout = AbortSignal.timeout(left);
    this.signal = AbortSignal.any([limits.signal, this.timeout]);
    setMaxListeners(0, this.signal);
  }

  millisecondsLeft(): number {
    return Math.max(1, this.limits.deadline - Date.now());
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
      : new ProviderError("deadline", `${this.host}: no answer in time ${when}`);
  }

  /** The work's own end, or this wait's, whichever comes first. */
  until<T>(work: Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      const end = (): void => reject(this.over());
      this.signal.addEventListener("abort", end, { once: true });
      work.then(resolve, reject).finally(() => this.signal.removeEventListener("abort", end));
      if (this.signal.aborted) end();
    });
  }
}

/** Resolves after the time, or as soon as the signal is given. */
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

/**
 * Work that many calls wait for: begun by the first, kept once it is done, and ended when the last
 * call that waits for it has left. A call's deadline never ends what another call still waits for.
 */
export class Shared<T> {
  private current:
    { wait: Wait; result: Promise<T>; waiting: number; leave: () => void } | undefined;

  constructor(
    private readonly host: string,
    private readonly timeoutMs: number,
    private readonly start: (wait: Wait) => Promise<T>,
  ) {}

  async join(wait: Wait): Promise<T> {
    const joined = (this.current ??= this.begin());
    joined.waiting += 1;
    wait.doing = () => joined.wait.now();
    try {
      return await wait.until(joined.result);
    } finally {
      joined.waiting -= 1;
      if (joined.waiting === 0) joined.leave();
    }
  }

  private begin(): NonNullable<typeof this.current> {
    const stop = new AbortController();
    const deadline = Date.now() + this.timeoutMs;
    const wait = new Wait(this.host, { deadline, signal: stop.signal });
    let pending = true;
    const result = this.start(wait);
    const leave = (): void => {
      if (!pending) return;
      this.forget(result);
      stop.abort();
    };
    const begun = { wait, result, waiting: 0, leave };
    result.then(
      () => (pending = false),
      () => this.forget(result),
    );
    return begun;
  }

  /** The next call begins anew; with `result`, only if it is still the one. */
  forget(result?: Promise<T>): void {
    if (result === undefined || this.current?.result === result) this.current = undefined;
  }

  /** What is known already: nobody needs to begin. */
  keep(value: T): void {
    const never = { deadline: Infinity, signal: new AbortController().signal };
    const wait = new Wait(this.host, never);
    const result = Promise.resolve(value);
    this.current = { wait, result, waiting: 0, leave: () => undefined };
  }

  /** The result, if there is or will be one. */
  peek(): Promise<T> | undefined {
    return this.current?.result;
  }
}
