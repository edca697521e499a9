/** Waiting for a turn: it uses up nothing of the work's own time, and is shown as a status line. */
import type { Limiter } from "../../hosts/wait/limit";
import { Wait, within } from "../../hosts/wait/wait";
import type { Context } from "../../resource";

/** Runs the work when the limiter has room; until then for as long as the host's site allows. */
export function inTurn<T>(
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
