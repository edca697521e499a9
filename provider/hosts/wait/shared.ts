import { Wait } from "./wait";

/**
 * Work that many calls wait for: the first call starts it, its result is kept, and it is cancelled
 * when the last call that waits for it has left. The deadline of one call never ends work that
 * another call still waits for.
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

  /** The next call starts anew; with `result`, only if that is still the current one. */
  forget(result?: Promise<T>): void {
    if (result === undefined || this.current?.result === result) this.current = undefined;
  }

  /** Replaces the result: the next calls get this value without any work. */
  keep(value: T): void {
    const never = { deadline: Infinity, signal: new AbortController().signal };
    const wait = new Wait(this.host, never);
    const result = Promise.resolve(value);
    this.current = { wait, result, waiting: 0, leave: () => undefined };
  }

  /** The result, if there is one or it is on its way. */
  peek(): Promise<T> | undefined {
    return this.current?.result;
  }
}
