/** Trials of hosts' own systems: one host at a time, and none behind one that failed. */
import { ProviderError } from "../../errors";
import { Limiter } from "./limit";
import type { Wait } from "./wait";

/**
 * What breaks one host breaks the others alike: a bridge that stays down, a kernel that does not boot. So the first one to
 * fail is the last one that is tried in this run.
 */
export class Turns {
  private readonly turn = new Limiter(1);
  private failed: string | undefined;

  run<T>(host: string, wait: Wait, work: () => Promise<T>): Promise<T> {
    return this.turn.run(wait, async () => {
      if (this.failed !== undefined) {
        throw new ProviderError(
          "operation",
          `${host}: its system was left as it is, for that of ${this.failed} failed in this run`,
          `Put that right, or set maintenance: true for ${this.failed}.`,
        );
      }
      try {
        return await work();
      } catch (error) {
        this.failed = host;
        throw error;
      }
    });
  }
}
