/**
 * A switch: activated on trial, confirmed by a login of its own, then made the default of the next boot. The host
 * goes back by itself; what is here only finds out, and says so.
 */
import { ProviderError, messageOf } from "../../errors";
import type { Cause } from "../../errors";
import type { HostFacts } from "../../hosts/facts/facts";
import type { Host } from "../../hosts/host";
import { pause } from "../../hosts/operations/wait";
import { makeRecord } from "../../ownership";
import type { Context } from "../../resource";
import { requireMachine } from "../shared/fields";
import type { Inputs } from "./nixosSystemState";

/** What one system is brought about with. */
export interface Job {
  context: Context;
  wanted: Inputs;
  machineId: string;
  target: Host;
}

export const LOOK_AGAIN_MS = 1_000;
/** One attempt to look or to confirm; the next one logs in anew. */
const ATTEMPT_MS = 20_000;
/** Behind the host's own deadlines: its timers, and one second for each of their steps. */
const MARGIN_SECONDS = 60;

/** Activates the system and confirms it over a fresh connection; throws when the host went back. */
export async function switchSystem(job: Job): Promise<HostFacts> {
  const { context, wanted } = job;
  const confirmMs = wanted.confirmTimeoutSeconds * 1000;
  const started = Date.now();
  let deadline: number;
  try {
    const facts = await run(job, "system-switch", {
      step: "switch",
      derivation: wanted.build === "host" ? wanted.drvPath : "",
      record: makeRecord(context.urn, {}),
      confirm_seconds: String(wanted.confirmTimeoutSeconds),
    });
    // It ran already: there was nothing to try.
    if (facts.system.trial === undefined) return facts;
    deadline = Date.now() + confirmMs;
  } catch (error) {
    // The switch has cut the link, and may go on: who comes anew waits for its end.
    if (!mayGoOn(error)) throw error;
    deadline = started + wanted.switchTimeoutSeconds * 1000 + confirmMs;
  }
  try {
    return await confirm(job, Math.min(context.deadline, deadline));
  } catch (error) {
    if (context.signal.aborted) throw error;
    return await outcome(job, started, messageOf(error));
  }
}

/** Makes what runs the default of the next boot. */
export function makeDefault(job: Job): Promise<HostFacts> {
  return run(job, "system-default", {});
}

/** The trial, settled by a login that began after the switch. Throws why that did not succeed in time. */
async function confirm(job: Job, deadline: number): Promise<HostFacts> {
  const { context, target } = job;
  const call = { ...context, deadline };
  context.status("logging in anew");
  for (;;) {
    target.renew();
    try {
      return await run({ ...job, context: call }, "system-confirm", {});
    } catch (error) {
      if (Date.now() + LOOK_AGAIN_MS > deadline || !mayPass(error)) throw error;
      await pause(LOOK_AGAIN_MS, context.signal);
    }
  }
}

/** What has become of a switch that could not be confirmed, as soon as the host can be asked. Mostly throws. */
async function outcome(job: Job, started: number, cause: string): Promise<HostFacts> {
  const { context, wanted } = job;
  const seconds = 2 * wanted.switchTimeoutSeconds + wanted.confirmTimeoutSeconds + MARGIN_SECONDS;
  const deadline = Math.min(context.deadline, started + seconds * 1000);
  const what = `${wanted.host}: ${wanted.toplevel} was not confirmed: ${cause}`;
  context.status("not confirmed; waiting for the host to go back");
  for (;;) {
    const facts = await look(job, deadline).catch((error: unknown) => messageOf(error));
    if (typeof facts !== "string" && !isOpen(facts)) {
      // The confirmation was done, and only its answer was lost.
      if (facts.system.current === wanted.toplevel) return facts;
      throw new ProviderError(
        "operation",
        `${what}. The host went back to ${facts.system.current}`,
      );
    }
    if (context.signal.aborted || Date.now() + LOOK_AGAIN_MS > deadline) {
      const last = typeof facts === "string" ? facts : "it is still going back";
      throw new ProviderError(
        "outcome-unknown",
        `${what}; and it is not known whether the host went back: ${last}`,
        "Its own timer brings the system before back. Run up again when it answers.",
      );
    }
    await pause(LOOK_AGAIN_MS, context.signal);
  }
}

/** Reads the host over a fresh connection. */
export async function look(job: Job, deadline: number): Promise<HostFacts> {
  const { context, wanted, target, machineId } = job;
  target.renew();
  const attempt = Math.min(deadline, Date.now() + ATTEMPT_MS);
  const facts = await target.read({ ...context, deadline: attempt });
  requireMachine(facts, wanted.host, machineId);
  return facts;
}

const isOpen = ({ system }: HostFacts): boolean =>
  system.trial?.phase === "switching" || system.trial?.phase === "rolling-back";

export function run(
  { context, wanted, machineId, target }: Job,
  name: string,
  parameters: Record<string, string>,
): Promise<HostFacts> {
  return target.operate(context, {
    scripts: ["system", name],
    machineId,
    parameters: {
      toplevel: wanted.toplevel,
      switch_seconds: String(wanted.switchTimeoutSeconds),
      ...parameters,
    },
  });
}

/** The operation was sent, and its end was not seen. */
export function mayGoOn(error: unknown): boolean {
  return hasReason(error, ["outcome-unknown", "authentication", "deadline"]);
}

/** A host that starts its network and sshd anew answers like this for a while. */
function mayPass(error: unknown): boolean {
  return mayGoOn(error) || hasReason(error, ["unreachable", "busy"]);
}

function hasReason(error: unknown, reasons: Cause[]): boolean {
  return error instanceof ProviderError && reasons.includes(error.reason);
}
