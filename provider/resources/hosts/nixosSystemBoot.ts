/** Boots a system on trial: reboots the host and checks which system it comes back on. */
import { ProviderError, messageOf } from "../../errors";
import type { HostFacts } from "../../hosts/facts/hostFacts";
import { pause } from "../../hosts/wait/wait";
import { LOOK_AGAIN_MS, look, mayGoOn, run } from "./nixosSystemSwitch";
import { stackPrefix } from "./hypervisorWants";
import type { Job } from "./nixosSystemSwitch";

/** Reboots into the wanted system and confirms it. Throws if the previous system came back. */
export async function rebootSystem(job: Job, before: HostFacts): Promise<HostFacts> {
  const { context, wanted } = job;
  try {
    await run(job, "system-reboot", {
      stack: stackPrefix(context.urn),
      stop_order: wanted.stopOrder.join(" "),
      boot_seconds: String(wanted.bootTimeoutSeconds),
    });
  } catch (error) {
    // The reboot may have closed the connection.
    if (!mayGoOn(error)) throw error;
  }
  context.status("rebooting");
  const after = await awaitBoot(job, before);
  return after.system.current === wanted.toplevel ? confirmBoot(job) : settleFailedBoot(job);
}

/** Confirms the boot: this login has reached it. */
export function confirmBoot(job: Job): Promise<HostFacts> {
  return run(job, "system-confirm", {});
}

/** The host came back on the previous system. Records that, and throws. */
export async function settleFailedBoot(job: Job): Promise<never> {
  const { wanted } = job;
  const { system } = await run(job, "system-settle", {});
  throw new ProviderError(
    "operation",
    `${wanted.host}: the boot of ${wanted.toplevel} failed; it came back on ${system.current}`,
    "Run journalctl -b -1 on the host: it shows the failed boot.",
  );
}

/**
 * Waits until the host answers in another boot. Waits twice the boot timeout: after a boot without
 * a login the host reboots when the timeout ends, and then boots the previous system.
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
      const last = typeof facts === "string" ? facts : "the host has not rebooted yet";
      throw new ProviderError(
        "outcome-unknown",
        `${wanted.host}: timed out while booting ${wanted.toplevel}: ${last}`,
        "Reset the host: it then boots its default, the previous system.",
      );
    }
    await pause(LOOK_AGAIN_MS, context.signal);
  }
}
