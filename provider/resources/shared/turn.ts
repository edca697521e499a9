/** Waiting for a limiter. It does not count for the work's time limit and shows a status line. */
import type { Limiter } from "../../hosts/wait/limit";
import { Wait, within } from "../../hosts/wait/wait";
import type { Context } from "../../resource";

/** Runs the work when the limiter has room. Waits at most for waitTimeout of the host. */
export function withLimit<T>(
  context: Context,
  limiter: Limiter,
  host: string,
  name: string,
  work: () => Promise<T>,
): Promise<T> {
  const { waitTimeoutSeconds } = context.pool.configOf(host);
  const wait = new Wait(`${host}: ${name}`, within(context, waitTimeoutSeconds));
  return limiter.run(wait, work, name, context.status);
}
