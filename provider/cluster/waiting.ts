/** Waits until the cluster shows something. */
import { ProviderError, isLinkLost } from "../errors";
import type { Call } from "../hosts/operations/operation";
import { Wait, pause } from "../hosts/wait/wait";
import type { ClusterAccess } from "./access";
import type { Observed } from "./observed";

/** Most changes take seconds, and some take minutes. */
const SHORTEST_POLL_MS = 250;
const LONGEST_POLL_MS = 2_000;

/** The longer it takes already, the longer the pause. */
const pauseAfter = (waitedMs: number): number =>
  Math.min(LONGEST_POLL_MS, Math.max(SHORTEST_POLL_MS, waitedMs / 20));

export interface Awaited {
  /** For the error: `kc2: waiting until ...`. */
  name: string;
  what: string;
  seconds: number;
  is: (observed: Observed) => boolean;
  /** What to do about it, each time that it is not so yet. */
  act?: (observed: Observed) => Promise<void>;
  /** What holds it, for the status line and the error. */
  why?: (observed: Observed) => string;
  remedy?: string;
  pollMs?: number;
}

/** An API that does not answer for a while is not an error: controllers come and go here. */
export async function awaitCluster(
  call: Call,
  cluster: Pick<ClusterAccess, "observeAgain">,
  { name, what, seconds, is, act, why, remedy, pollMs }: Awaited,
): Promise<Observed> {
  const started = Date.now();
  const deadline = Math.min(call.deadline, started + seconds * 1000);
  let last = "";
  for (;;) {
    try {
      const observed = await cluster.observeAgain({ ...call, deadline });
      if (is(observed)) return observed;
      last = why?.(observed) ?? "";
      await act?.(observed);
    } catch (error) {
      if (call.signal.aborted) throw error;
      const isOver = error instanceof ProviderError && error.reason === "deadline";
      if (!isOver && !isLinkLost(error)) throw error;
      if (isLinkLost(error)) last = error.what;
    }
    const suffix = last === "" ? "" : `: ${last}`;
    if (call.signal.aborted) throw new ProviderError("cancelled", `${name}: cancelled`);
    const pauseMs = pollMs ?? pauseAfter(Date.now() - started);
    if (Date.now() + pauseMs >= deadline) {
      const took = Math.round((Date.now() - started) / 1000);
      const text = `${name}: timed out after ${took} s waiting until ${what}${suffix}`;
      throw new ProviderError("deadline", text, remedy);
    }
    call.status(`waiting until ${what}, ${Math.round((Date.now() - started) / 1000)} s${suffix}`);
    await pause(pauseMs, call.signal);
  }
}

const RETRY_MS = 2_000;

/** Repeats the work until it reaches its target. `doing`: `waiting for ...`. */
export async function untilReachable<T>(
  call: Call,
  { name, doing }: { name: string; doing: string },
  work: () => Promise<T>,
): Promise<T> {
  const wait = new Wait(name, call);
  wait.doing = () => doing;
  for (;;) {
    try {
      return await work();
    } catch (error) {
      if (!isLinkLost(error)) throw error;
      wait.cause = error.what;
    }
    call.status(doing);
    await pause(RETRY_MS, wait.signal);
    if (wait.signal.aborted) throw wait.over();
  }
}
