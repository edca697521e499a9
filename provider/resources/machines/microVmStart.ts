/** The end of a start: the guest responds, or the VM is rolled back to its previous runner. */
import { PartialFailure, ProviderError, asError, messageOf } from "../../errors";
import { awaitGuest } from "../../hosts/guest";
import type { HostFacts } from "../../hosts/facts/hostFacts";
import { journalTail } from "../../hosts/reads";
import { within } from "../../hosts/wait/wait";
import { printable } from "../../hosts/transport/printable";
import type { Context } from "../../resource";
import { stateOf } from "./microVmState";
import type { Inputs, State } from "./microVmState";

/** Waits for the guest if it has an address. */
async function seeGuest(
  context: Context,
  wanted: Inputs,
  state: State,
  address = wanted.address,
): Promise<void> {
  if (!state.running) throw new ProviderError("guest", `${wanted.name} stopped by itself`);
  if (address === "") return;
  const guest = { name: wanted.name, address, hostKey: state.guestHostKey };
  await awaitGuest(context.pool.get(wanted.host), context, guest);
}

/** Waits for the guest. If it does not respond, the error contains the last lines of its unit. */
async function requireGuest(
  context: Context,
  wanted: Inputs,
  state: State,
  deadline: number,
): Promise<void> {
  try {
    await seeGuest({ ...context, deadline }, wanted, state);
  } catch (error) {
    if (context.signal.aborted) throw error;
    throw new ProviderError("guest", await withJournal(context, wanted, asError(error)));
  }
}

/** An error's message with the last lines of the VM's unit, because the guest cannot be read. */
export async function withJournal(context: Context, wanted: Inputs, error: Error): Promise<string> {
  const host = context.pool.get(wanted.host);
  const tail = await journalTail(host, context, wanted.name).catch(() => []);
  const journal = tail.length === 0 ? "" : `\n  ${tail.map(printable).join("\n  ")}`;
  return `${messageOf(error)}${journal}`;
}

/** TimeoutStopSec of the unit limits a stop. After this time the provider only stops waiting. */
export const STOP_SECONDS = 900;
/** If an earlier run began the start, its time may have passed: try once for a short time. */
const LOOK_SECONDS = 60;

/** The time for a restart, and for a restart on the previous runner if the new one fails. */
export function restartSeconds({ workSeconds }: Context): number {
  return 2 * (workSeconds + STOP_SECONDS);
}

export function slotParameters(
  context: Context,
  { host }: Pick<Inputs, "host">,
): Record<string, string> {
  return {
    start_seconds: String(Math.ceil(context.workSeconds)),
    parallelism: String(context.pool.configOf(host).parallelism),
  };
}

/** The deadline for the guest's response. Its time begins when its unit starts. */
export function startDeadline(context: Context, facts: HostFacts, { name }: Inputs): number {
  const since = facts.vms.get(name)?.startedSeconds ?? facts.clockSeconds;
  const elapsed = Math.max(0, facts.clockSeconds - since);
  const left = Math.max(context.workSeconds - elapsed, Math.min(context.workSeconds, LOOK_SECONDS));
  return Date.now() + left * 1000;
}

/**
 * Ends a start. It is confirmed when the guest responds. If the guest does not come up after a
 * change, the VM is rolled back to its previous runner, and the change has failed.
 */
export async function settle(
  context: Context,
  wanted: Inputs,
  state: State,
  deadline: number,
): Promise<State> {
  const canGoBack = state.status !== "starting";
  try {
    await requireGuest(context, wanted, state, deadline);
  } catch (error) {
    if (!canGoBack || context.signal.aborted) throw new PartialFailure(state, asError(error));
    throw await putBack(context, wanted, state, asError(error));
  }
  return settled(context, wanted, "confirmed");
}

/** After its tap was connected again, the guest must respond. */
export async function confirmTap(context: Context, wanted: Inputs, state: State): Promise<State> {
  const { deadline } = within(context, Math.min(LOOK_SECONDS, context.workSeconds));
  try {
    await requireGuest(context, wanted, state, deadline);
  } catch (error) {
    throw new PartialFailure(state, asError(error));
  }
  return state;
}

/** Ends a start on the host: scripts/machines/microvm-settle.sh. */
export async function settled(
  context: Context,
  wanted: Inputs,
  outcome: "confirmed" | "failed" | "reverted",
): Promise<State> {
  const facts = await context.pool.get(wanted.host).operate(context, {
    script: "microvm-settle",
    machineId: wanted.machineId,
    parameters: {
      name: wanted.name,
      outcome,
      runner: wanted.runner,
      ...slotParameters(context, wanted),
    },
    seconds: restartSeconds(context),
  });
  const state = stateOf(facts, wanted, context);
  if (state !== undefined) return state;
  throw new ProviderError("operation", `${wanted.host}: VM ${wanted.name} is gone`);
}

/** The error of a failed change, after its rollback. */
async function putBack(
  context: Context,
  wanted: Inputs,
  failed: State,
  cause: Error,
): Promise<PartialFailure> {
  const what = `${wanted.name} did not come up with ${failed.runner}`;
  return wentBack(context, wanted, "failed", failed, what, cause);
}

/** Rolls back to the previous runner. The error says whether the guest responds again. */
export async function wentBack(
  context: Context,
  wanted: Inputs,
  outcome: "failed" | "reverted",
  failed: State,
  what: string,
  cause: Error,
): Promise<PartialFailure> {
  let state: State;
  try {
    state = await settled(context, wanted, outcome);
  } catch (error) {
    const text = `${what}. The rollback failed: ${messageOf(error)}\n  Before: ${cause.message}`;
    return new PartialFailure(failed, new Error(text));
  }
  const how = outcome === "failed" ? "by a restart" : "without a restart";
  // The previous runner may have another address.
  const address = state.address === "" ? wanted.address : state.address;
  const answers = await seeGuest(within(context, context.workSeconds), wanted, state, address).then(
    () => "and answers again",
    () => "but has not answered yet",
  );
  const back = `It was rolled back to ${state.runner} ${how}, ${answers}`;
  const text = `${what}. ${back}. ${cause.message}`;
  return new PartialFailure(state, new Error(text));
}
