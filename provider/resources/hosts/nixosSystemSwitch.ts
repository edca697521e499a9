/**
 * A switch of a host's system: activates it on trial, confirms it through a new login, and makes it
 * the default of the next boot. The host rolls back on its own; this code only observes and reports
 * that.
 */
import { ProviderError, messageOf } from "../../errors";
import type { Cause } from "../../errors";
import type { HostFacts } from "../../hosts/facts/hostFacts";
import type { Hypervisor } from "../../hosts/host";
import { pause } from "../../hosts/wait/wait";
import { makeRecord } from "../../ownership";
import type { Context } from "../../resource";
import { requireMachine } from "../shared/fields";
import type { Inputs } from "./nixosSystemState";

/** What the steps of one switch need. */
export interface SwitchTask {
  context: Context;
  wanted: Inputs;
  machineId: string;
  target: Hypervisor;
}

export const LOOK_AGAIN_MS = 1_000;
/** Time limit of one attempt to read or to confirm. The next attempt logs in again. */
const ATTEMPT_MS = 20_000;
/** Added to the limits of the host: its timers need time to react. */
const MARGIN_SECONDS = 60;

/** Activates the system and confirms it over a new connection. Throws if the host rolled back. */
export async function switchSystem(task: SwitchTask): Promise<HostFacts> {
  const { context, wanted } = task;
  const confirmMs = wanted.confirmTimeoutSeconds * 1000;
  const started = Date.now();
  let deadline: number;
  try {
    const facts = await run(task, "system-switch", {
      step: "switch",
      derivation: wanted.build === "host" ? wanted.drvPath : "",
      record: makeRecord(context.urn, {}),
      confirm_seconds: String(wanted.confirmTimeoutSeconds),
    });
    // The system ran already, so there is nothing to confirm.
    if (facts.system.trial === undefined) return facts;
    deadline = Date.now() + confirmMs;
  } catch (error) {
    // The connection was lost. The switch may continue, so the confirmation waits for its end.
    if (!mayStillRun(error)) throw error;
    deadline = started + wanted.switchTimeoutSeconds * 1000 + confirmMs;
  }
  try {
    return await confirm(task, Math.min(context.deadline, deadline));
  } catch (error) {
    if (context.signal.aborted) throw error;
    return await outcome(task, started, messageOf(error));
  }
}

/** Makes the running system the default of the next boot. */
export function makeDefault(task: SwitchTask): Promise<HostFacts> {
  return run(task, "system-default", {});
}

/** Confirms the trial through a login that began after the switch. Throws the last error. */
async function confirm(task: SwitchTask, deadline: number): Promise<HostFacts> {
  const { context, target } = task;
  const call = { ...context, deadline };
  context.status("logging in again");
  for (;;) {
    target.renew();
    try {
      return await run({ ...task, context: call }, "system-confirm", {});
    } catch (error) {
      if (Date.now() + LOOK_AGAIN_MS > deadline || !isRetryable(error)) throw error;
      await pause(LOOK_AGAIN_MS, context.signal);
    }
  }
}

/** Finds the result of an unconfirmed switch as soon as the host answers. Usually throws. */
async function outcome(task: SwitchTask, started: number, cause: string): Promise<HostFacts> {
  const { context, wanted } = task;
  const seconds = 2 * wanted.switchTimeoutSeconds + wanted.confirmTimeoutSeconds + MARGIN_SECONDS;
  const deadline = Math.min(context.deadline, started + seconds * 1000);
  const what = `${wanted.host}: ${wanted.toplevel} was not confirmed: ${cause}`;
  context.status("not confirmed; waiting for the rollback");
  for (;;) {
    const facts = await look(task, deadline).catch((error: unknown) => messageOf(error));
    if (typeof facts !== "string" && !isOpen(facts)) {
      // The host was confirmed, and only the response was lost.
      if (facts.system.current === wanted.toplevel) return facts;
      throw new ProviderError(
        "operation",
        `${what}. The host rolled back to ${facts.system.current}`,
      );
    }
    if (context.signal.aborted || Date.now() + LOOK_AGAIN_MS > deadline) {
      const last = typeof facts === "string" ? facts : "it still rolls back";
      throw new ProviderError(
        "outcome-unknown",
        `${what}. The result of the rollback is unknown: ${last}`,
        "A timer on the host restores the previous system. Run up again when the host answers.",
      );
    }
    await pause(LOOK_AGAIN_MS, context.signal);
  }
}

/** Reads the facts of the host over a new connection. */
export async function look(task: SwitchTask, deadline: number): Promise<HostFacts> {
  const { context, wanted, target, machineId } = task;
  target.renew();
  const attempt = Math.min(deadline, Date.now() + ATTEMPT_MS);
  const facts = await target.read({ ...context, deadline: attempt });
  requireMachine(facts, wanted.host, machineId);
  return facts;
}

const isOpen = ({ system }: HostFacts): boolean =>
  system.trial?.phase === "switching" || system.trial?.phase === "rolling-back";

export function run(
  { context, wanted, machineId, target }: SwitchTask,
  name: string,
  parameters: Record<string, string>,
): Promise<HostFacts> {
  return target.operate(context, {
    script: name,
    machineId,
    parameters: {
      toplevel: wanted.toplevel,
      switch_seconds: String(wanted.switchTimeoutSeconds),
      build_seconds: String(wanted.buildTimeoutSeconds),
      ...parameters,
    },
    seconds: secondsOf(wanted, name),
  });
}

/** Longer than the limits of the host for the step, so that the host reports its own error. */
function secondsOf(wanted: Inputs, name: string): number {
  const build =
    name === "system-switch" && wanted.build === "host" ? wanted.buildTimeoutSeconds : 0;
  const stops = name === "system-reboot" ? wanted.bootTimeoutSeconds : 0;
  return build + stops + 2 * wanted.switchTimeoutSeconds + MARGIN_SECONDS;
}

/** The operation was sent, and its result is unknown. */
export function mayStillRun(error: unknown): boolean {
  return hasReason(error, ["outcome-unknown", "authentication", "deadline"]);
}

/** Errors of a host that restarts its network or sshd. */
function isRetryable(error: unknown): boolean {
  return mayStillRun(error) || hasReason(error, ["unreachable", "busy"]);
}

function hasReason(error: unknown, reasons: Cause[]): boolean {
  return error instanceof ProviderError && reasons.includes(error.reason);
}
