/** A live switch: the guest activates its new system while it runs, and is seen, or it goes back. */
import { randomUUID } from "node:crypto";
import { PartialFailure, ProviderError, messageOf } from "../errors";
import { awaitGuest } from "../hosts/guest";
import type { Guest, Host } from "../hosts/host";
import type { Context } from "../resource";
import { isAnswering, settled } from "./microVmStart";
import type { Inputs, State } from "./microVmState";

/** Part of the time that is left; the rest is for going back. */
const SWITCH_SHARE = 0.6;
const REVERT_SHARE = 0.3;

/**
 * Switches a guest whose links are those of the new runner by now. What fails goes back: in the guest
 * while it can be reached, else by a restart on its previous runner. Then the update has failed.
 */
export async function switchLive(context: Context, wanted: Inputs, state: State): Promise<State> {
  const host = context.pool.get(wanted.host);
  const guest = { name: wanted.name, address: wanted.address, hostKey: state.guestHostKey };
  try {
    await activate(host, share(context, SWITCH_SHARE), guest, wanted);
  } catch (error) {
    if (context.signal.aborted) throw new PartialFailure(state, asError(error));
    throw await goBack(context, wanted, guest, asError(error));
  }
  return settled(context, wanted, "confirmed");
}

function share(context: Context, part: number): Context {
  const now = Date.now();
  return { ...context, deadline: now + Math.floor((context.deadline - now) * part) };
}

async function activate(host: Host, context: Context, guest: Guest, wanted: Inputs): Promise<void> {
  await runSwitch(host, context, guest, wanted.toplevel, wanted.closureInfo ?? "");
  // A fresh connection: the one before may be all that the switch left of the guest's network.
  await awaitGuest(host, context, guest);
  await host.inGuest(context, guest, "guest-confirm", { toplevel: wanted.toplevel });
}

/** To its end, once, also when the link is lost: the switch may restart the guest's own network. */
async function runSwitch(
  host: Host,
  context: Context,
  guest: Guest,
  toplevel: string,
  closureInfo: string,
): Promise<void> {
  const seconds = Math.max(1, Math.floor((context.deadline - Date.now()) / 1000) - 1);
  const parameters = {
    operation: randomUUID(),
    toplevel,
    closure_info: closureInfo,
    seconds: String(seconds),
  };
  for (;;) {
    try {
      await host.inGuest(context, guest, "guest-switch", parameters);
      return;
    } catch (error) {
      if (!isLinkLost(error) || context.signal.aborted) throw error;
      context.status("the link to the guest was lost; reconnecting");
      await awaitGuest(host, context, guest);
    }
  }
}

function isLinkLost(error: unknown): boolean {
  return (
    error instanceof ProviderError &&
    ["outcome-unknown", "unreachable", "busy"].includes(error.reason)
  );
}

/** What the failed switch becomes. */
async function goBack(
  context: Context,
  wanted: Inputs,
  guest: Guest,
  cause: Error,
): Promise<PartialFailure> {
  const host = context.pool.get(wanted.host);
  const inPlace = await runSwitch(host, share(context, REVERT_SHARE), guest, "", "").then(
    () => true,
    () => false,
  );
  const state = await settled(context, wanted, inPlace ? "reverted" : "failed");
  const how = inPlace ? "without a restart" : "by a restart";
  const answers = (await isAnswering(context, wanted, state))
    ? "and answers"
    : "but has not answered yet";
  const text = `${wanted.name}: the live switch to ${wanted.toplevel} failed. It was put back on ${state.runner} ${how}, ${answers}. ${cause.message}`;
  return new PartialFailure(state, new Error(text));
}

function asError(error: unknown): Error {
  return error instanceof Error ? error : new Error(messageOf(error));
}
