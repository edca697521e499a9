/** A live switch: the guest activates its new system while it runs, and is seen, or it goes back. */
import { randomUUID } from "node:crypto";
import { PartialFailure, asError, isLinkLost, messageOf } from "../../errors";
import { awaitGuest } from "../../hosts/guest";
import type { Guest, Host } from "../../hosts/host";
import type { Context } from "../../resource";
import { settled, wentBack, withJournal } from "./microVmStart";
import type { Inputs, State } from "./microVmState";

/** Part of the time that is left; the rest is for going back. */
const SWITCH_SHARE = 0.6;
const REVERT_SHARE = 0.3;
/** Behind the switch's own deadline: the guest then goes back by itself. Who is still there has begun to undo it before. */
const CONFIRM_SECONDS = 30;

/**
 * Ends a live switch that was begun on the host: the guest is switched unless a run before this one came so
 * far, and seen. What fails goes back: in the guest while it can be reached, else by a restart on its previous
 * runner. Then the update has failed.
 */
export async function switchLive(context: Context, wanted: Inputs, state: State): Promise<State> {
  const host = context.pool.get(wanted.host);
  const guest = { name: wanted.name, address: wanted.address, hostKey: state.guestHostKey };
  try {
    const limited = share(context, SWITCH_SHARE);
    if (state.system !== wanted.toplevel) {
      await runSwitch(host, limited, guest, wanted.toplevel, wanted.closureInfo ?? "");
    }
    // A login of its own: the one before may be all that the switch left of the guest's network.
    await inGuest(host, limited, guest, "guest-confirm", { toplevel: wanted.toplevel });
  } catch (error) {
    if (context.signal.aborted) throw new PartialFailure(state, asError(error));
    throw await goBack(context, wanted, state, guest, asError(error));
  }
  return settled(context, wanted, "confirmed");
}

function share(context: Context, part: number): Context {
  const now = Date.now();
  return { ...context, deadline: now + Math.floor((context.deadline - now) * part) };
}

/** To its end, once, also when the link is lost: the switch may restart the guest's own network. */
function runSwitch(
  host: Host,
  context: Context,
  guest: Guest,
  toplevel: string,
  closureInfo: string,
): Promise<void> {
  const seconds = Math.max(1, Math.floor((context.deadline - Date.now()) / 1000) - 1);
  return inGuest(host, context, guest, "guest-switch", {
    operation: randomUUID(),
    toplevel,
    closure_info: closureInfo,
    seconds: String(seconds),
    confirm_seconds: String(CONFIRM_SECONDS),
  });
}

/** Runs a script that can be sent again; when the link is lost it is, as soon as the guest answers. */
async function inGuest(
  host: Host,
  context: Context,
  guest: Guest,
  name: string,
  parameters: Record<string, string>,
): Promise<void> {
  for (;;) {
    try {
      await host.inGuest(context, guest, name, parameters);
      return;
    } catch (error) {
      if (!isLinkLost(error) || context.signal.aborted) throw error;
      context.status("the link to the guest was lost; reconnecting");
      await awaitGuest(host, context, guest);
    }
  }
}

/** What the failed switch becomes. */
async function goBack(
  context: Context,
  wanted: Inputs,
  state: State,
  guest: Guest,
  cause: Error,
): Promise<PartialFailure> {
  const host = context.pool.get(wanted.host);
  const back = share(context, REVERT_SHARE);
  const fault = await runSwitch(host, back, guest, "", "").then(
    () => undefined,
    (error: unknown) => messageOf(error),
  );
  const what = `${wanted.name}: the live switch to ${wanted.toplevel} failed`;
  if (fault === undefined) return wentBack(context, wanted, "reverted", state, what, cause);
  // Before the restart: what the guest has said up to here.
  const both = new Error(`${cause.message}\n  Nor could it be switched back: ${fault}`);
  const told = new Error(await withJournal(context, wanted, both));
  return wentBack(context, wanted, "failed", state, what, told);
}
