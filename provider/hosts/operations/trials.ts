/** Trials of hosts' own systems: one host at a time, and none after one that failed. */
import { ProviderError } from "../../errors";
import { Limiter } from "../wait/limit";
import type { Wait } from "../wait/wait";

/**
 * What breaks one host breaks the others alike: a bridge that stays down, a kernel that does not
 * boot. So the first host whose trial fails is the last one that is tried in this run.
 */
export class Trials {
  private readonly turn = new Limiter(1, "the switch of another host");
  private failed: string | undefined;

  run<T>(
    host: string,
    wait: Wait,
    work: () => Promise<T>,
    onQueue?: (line: string) => void,
  ): Promise<T> {
    const attempt = async (): Promise<T> => {
      if (this.failed !== undefined) {
        throw new ProviderError(
          "operation",
          `${host}: skipped: the switch of ${this.failed} failed earlier in this run`,
          `Fix ${this.failed} first, or set maintenance: true for it.`,
        );
      }
      try {
        return await work();
      } catch (error) {
        this.failed = host;
        throw error;
      }
    };
    return this.turn.run(wait, attempt, host, onQueue);
  }
}
