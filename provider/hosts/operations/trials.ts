/** Switches of host systems: one host at a time. After a failure no further host is switched. */
import { ProviderError } from "../../errors";
import { Limiter } from "../wait/limit";
import type { Wait } from "../wait/wait";

/**
 * A system that breaks one host would probably break the others too, for example with a bridge that
 * stays down or a kernel that does not boot. So the first failure stops all later switches of the
 * run.
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
