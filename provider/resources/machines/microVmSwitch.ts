/** A live switch: a running guest activates its new system, and is confirmed or rolled back. */
import { PartialFailure, ProviderError, asError, messageOf } from "../../errors";
import { ANSWER_SECONDS } from "../../hosts/guest";
import type { GuestFacts } from "../../hosts/facts/guestFacts";
import type { GuestAddress } from "../../hosts/guest";
import { readGuest } from "../../hosts/guestLogin";
import type { Host } from "../../hosts/host";
import type { Context } from "../../resource";
import { settled, wentBack, withJournal } from "./microVmStart";
import type { Inputs, State } from "./microVmState";

/** Additional time to register the system, and to end a switch that takes too long. */
const MARGIN_SECONDS = 30;
/** The longest time that a guest waits for its confirmation before it rolls back by itself. */
const MAX_CONFIRM_SECONDS = 90;

/**
 * Finishes a live switch. The guest is switched, unless an earlier run has switched it, and then
 * confirmed over a new login. After a failure it is rolled back: in the guest if it can be reached,
 * otherwise by a restart on its previous runner. In both cases the update has failed. If nothing
 * was sent to the guest, it keeps running and only the host is rolled back. `isResumed`: an earlier
 * run may have sent the switch already.
 */
export async function switchLive(
  context: Context,
  wanted: Inputs,
  state: State,
  isResumed: boolean,
): Promise<State> {
  const guest = new SwitchedGuest(context, wanted, isResumed);
  try {
    await guest.switchTo(wanted.toplevel, state);
    await guest.confirm(wanted.toplevel);
  } catch (error) {
    if (context.signal.aborted) throw new PartialFailure(state, asError(error));
    if (!guest.isTouched) throw await refused(context, wanted, state, asError(error));
    throw await goBack(context, wanted, state, guest, asError(error));
  }
  return settled(context, wanted, "confirmed");
}

class SwitchedGuest {
  private readonly address: GuestAddress;
  private readonly host: Host<GuestFacts>;
  private machineId = "";

  constructor(
    private readonly context: Context,
    private readonly wanted: Inputs,
    /** Whether a switch may have been sent to it. */
    public isTouched: boolean,
  ) {
    this.address = { name: wanted.name, address: wanted.address };
    this.host = context.pool.guest(wanted.host, this.address);
  }

  async switchTo(toplevel: string, { system }: State): Promise<void> {
    this.machineId = (await this.read()).machineId;
    this.isTouched = true;
    await this.run("guest-switch", {
      ...this.switchParameters(),
      toplevel,
      closure_info: this.wanted.closureInfo ?? "",
      reported: system === toplevel ? "yes" : "no",
    });
  }

  /** Uses a new login, because the switch may have broken the network for new connections. */
  async confirm(toplevel: string): Promise<void> {
    this.host.renew();
    await this.read();
    await this.run("guest-confirm", { toplevel });
  }

  /** `system`: what it is known to have run before. */
  async goBack(system: string): Promise<void> {
    this.machineId = (await this.read()).machineId;
    await this.run("guest-switch", { ...this.switchParameters(), toplevel: "", system });
  }

  private switchParameters(): Record<string, string> {
    return {
      switch_seconds: String(this.wanted.switchTimeoutSeconds),
      confirm_seconds: String(this.confirmSeconds()),
      by: "provider",
    };
  }

  /** The reconnection may take as long as the switch. */
  private confirmSeconds(): number {
    return Math.min(MAX_CONFIRM_SECONDS, this.wanted.switchTimeoutSeconds);
  }

  private read(): Promise<GuestFacts> {
    const seconds = Math.min(ANSWER_SECONDS, this.context.workSeconds);
    return readGuest(this.host, this.address, this.context, seconds);
  }

  /** The switch may restart the guest's network, so the provider waits for it. */
  private async run(script: string, parameters: Record<string, string>): Promise<void> {
    const { switchTimeoutSeconds } = this.wanted;
    try {
      await this.host.operate(this.context, {
        script,
        machineId: this.machineId,
        parameters,
        seconds: switchTimeoutSeconds + MARGIN_SECONDS,
        reconnectSeconds: switchTimeoutSeconds + this.confirmSeconds(),
      });
    } catch (error) {
      if (!(error instanceof ProviderError) || error.reason !== "wrong-machine") throw error;
      const remedy = "The guest was restarted or replaced during the switch. Run up again.";
      throw new ProviderError("wrong-machine", error.what, remedy);
    }
  }
}

/** The switch was not sent: the guest runs its previous system, and the host restores it. */
async function refused(
  context: Context,
  wanted: Inputs,
  state: State,
  cause: Error,
): Promise<PartialFailure> {
  const what = `${wanted.name}: the live switch was not begun, the guest was not touched`;
  const remedy = `Or set another text as restart of ${wanted.name}: it restarts instead.`;
  try {
    const live = await settled(context, wanted, "reverted");
    return new PartialFailure(live, new Error(`${what}. ${cause.message}\n  ${remedy}`));
  } catch (error) {
    const text = `${what}. ${cause.message}\n  The host still has it open: ${messageOf(error)}`;
    return new PartialFailure(state, new Error(text));
  }
}

/** The error of the failed switch, after its rollback. */
async function goBack(
  context: Context,
  wanted: Inputs,
  state: State,
  guest: SwitchedGuest,
  cause: Error,
): Promise<PartialFailure> {
  const before = state.system === wanted.toplevel ? "" : state.system;
  const fault = await guest.goBack(before).then(
    () => undefined,
    (error: unknown) => messageOf(error),
  );
  const what = `${wanted.name}: the live switch to ${wanted.toplevel} failed`;
  if (fault === undefined) return wentBack(context, wanted, "reverted", state, what, cause);
  // Reads the journal before the restart.
  const both = new Error(`${cause.message}\n  The switch back in the guest failed: ${fault}`);
  const told = new Error(await withJournal(context, wanted, both));
  return wentBack(context, wanted, "failed", state, what, told);
}
