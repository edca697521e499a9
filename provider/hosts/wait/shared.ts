import { Wait } from "./wait";

/**
 * Work that several calls wait for. The first call starts it, and later calls get the same result.
 * It is cancelled when no call waits for it any more. The deadline of one call does not end work
 * that another call waits for.
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

  /**
   * Drops the result: the next call starts the work again. With `result`: only if it is current.
   */
  forget(result?: Promise<T>): void {
    if (result === undefined || this.current?.result === result) this.current = undefined;
  }

  /** Replaces the result: later calls get this value without any work. */
  keep(value: T): void {
    const never = { deadline: Infinity, signal: new AbortController().signal };
    const wait = new Wait(this.host, never);
    const result = Promise.resolve(value);
    this.current = { wait, result, waiting: 0, leave: () => undefined };
  }

  /** The result, if the work has started. */
  peek(): Promise<T> | undefined {
    return this.current?.result;
  }
}
