/**
 * A switch: activated on trial, confirmed by a login of its own, then made the default of the next boot. The host
 * goes back by itself; what is here only finds out, and says so.
 */
import { ProviderError, messageOf } from "../errors";
import type { HostFacts } from "../hosts/facts";
import type { Host } from "../hosts/host";
import { pause } from "../hosts/wait";
import { makeRecord } from "../ownership";
import type { Context } from "../resource";
import { requireMachine } from "./fields";
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
  const started = Date.now();
  try {
    const facts = await run(job, "system-switch", {
      step: "switch",
      derivation: wanted.build === "host" ? wanted.drvPath : "",
      record: makeRecord(context.urn, {}),
      confirm_seconds: String(wanted.confirmTimeoutSeconds),
    });
    // It ran already: there was nothing to try.
    if (facts.system.trial === undefined) return facts;
  } catch (error) {
    // The switch may have cut the link and go on: its result is waited for like that of any other.
    if (!isLinkLost(error)) throw error;
  }
  const facts = await confirm(job).catch((error: unknown) => {
    if (context.signal.aborted) throw error;
    return messageOf(error);
  });
  if (typeof facts !== "string") return facts;
  throw await wentBack(job, started, facts);
}

/** Makes what runs the default of the next boot. */
export function makeDefault(job: Job): Promise<HostFacts> {
  return run(job, "system-default", {});
}

/** The host's trial, settled by a login that began after the switch. Throws why that did not succeed in time. */
async function confirm(job: Job): Promise<HostFacts> {
  const { context, wanted, target } = job;
  const deadline = Math.min(context.deadline, Date.now() + wanted.confirmTimeoutSeconds * 1000);
  const call = { ...context, deadline };
  context.status("logging in anew");
  for (;;) {
    target.renew();
    try {
      return await run({ ...job, context: call }, "system-confirm", {});
    } catch (error) {
      if (Date.now() + LOOK_AGAIN_MS > deadline || !isLinkLost(error)) throw error;
      await pause(LOOK_AGAIN_MS, context.signal);
    }
  }
}

/** What the failed switch becomes, as soon as the host has gone back and tells it. */
async function wentBack(job: Job, started: number, cause: string): Promise<Error> {
  const { context, wanted } = job;
  const seconds = 2 * wanted.switchTimeoutSeconds + wanted.confirmTimeoutSeconds + MARGIN_SECONDS;
  const deadline = Math.min(context.deadline, started + seconds * 1000);
  context.status("not confirmed; waiting for the host to go back");
  for (;;) {
    const facts = await look(job, deadline).catch((error: unknown) => messageOf(error));
    if (typeof facts !== "string" && !isOpen(facts)) {
      const what = `${wanted.toplevel} was not confirmed: ${cause}. The host went back to ${facts.system.current}`;
      return new ProviderError("operation", `${wanted.host}: ${what}`);
    }
    if (context.signal.aborted || Date.now() + LOOK_AGAIN_MS > deadline) {
      const last = typeof facts === "string" ? facts : "it is still going back";
      return new ProviderError(
        "outcome-unknown",
        `${wanted.host}: ${wanted.toplevel} was not confirmed: ${cause}; and it is not known whether the host went back: ${last}`,
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

export function isLinkLost(error: unknown): boolean {
  return (
    error instanceof ProviderError &&
    ["unreachable", "busy", "outcome-unknown", "deadline", "authentication"].includes(error.reason)
  );
}
