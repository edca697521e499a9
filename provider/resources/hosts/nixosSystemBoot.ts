/** One boot of a system on trial: the host is rebooted, and what it comes back on is looked at. */
import { ProviderError, messageOf } from "../../errors";
import type { HostFacts } from "../../hosts/facts/hostFacts";
import { pause } from "../../hosts/wait/wait";
import { LOOK_AGAIN_MS, look, mayGoOn, run } from "./nixosSystemSwitch";
import { stackPrefix } from "./hypervisorWants";
import type { Job } from "./nixosSystemSwitch";

/** Reboots into the wanted system, and keeps that boot; throws when the host came back on the one before. */
export async function rebootSystem(job: Job, before: HostFacts): Promise<HostFacts> {
  const { context, wanted } = job;
  try {
    await run(job, "system-reboot", {
      stack: stackPrefix(context.urn),
      stop_order: wanted.stopOrder.join(" "),
      boot_seconds: String(wanted.bootTimeoutSeconds),
    });
  } catch (error) {
    // The reboot may be what has cut the link.
    if (!mayGoOn(error)) throw error;
  }
  context.status("rebooting");
  const after = await awaitBoot(job, before);
  return after.system.current === wanted.toplevel ? confirmBoot(job) : settleFailedBoot(job);
}

/** Keeps the boot that this login has reached. */
export function confirmBoot(job: Job): Promise<HostFacts> {
  return run(job, "system-confirm", {});
}

/** The host came back on the system before: that is written down, and the operation has failed. */
export async function settleFailedBoot(job: Job): Promise<never> {
  const { wanted } = job;
  const { system } = await run(job, "system-settle", {});
  throw new ProviderError(
    "operation",
    `${wanted.host}: rebooted into ${wanted.toplevel}, it came back on ${system.current}`,
    "journalctl -b -1 on the host shows the boot that failed.",
  );
}

/**
 * Until the host answers in another boot. Twice the time: a boot that nobody could log in to is ended by the host
 * itself when its time is over, and the one of the system before follows.
 */
async function awaitBoot(job: Job, before: HostFacts): Promise<HostFacts> {
  const { context, wanted } = job;
  const deadline = Math.min(context.deadline, Date.now() + 2 * wanted.bootTimeoutSeconds * 1000);
  for (;;) {
    const facts = await look(job, deadline).catch((error: unknown) => {
      if (context.signal.aborted) throw error;
      return messageOf(error);
    });
    if (typeof facts !== "string" && facts.bootId !== before.bootId) return facts;
    if (Date.now() + LOOK_AGAIN_MS > deadline) {
      const last = typeof facts === "string" ? facts : "it has not rebooted yet";
      throw new ProviderError(
        "outcome-unknown",
        `${wanted.host}: rebooted into ${wanted.toplevel}, it has not come back in time: ${last}`,
        "The default of the next boot is the system before: a reset of the host brings that back.",
      );
    }
    await pause(LOOK_AGAIN_MS, context.signal);
  }
}
