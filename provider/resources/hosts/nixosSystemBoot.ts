/** Boots a system on trial: reboots the host and checks which system it comes back on. */
import { ProviderError, messageOf } from "../../errors";
import type { HostFacts } from "../../hosts/facts/hostFacts";
import { pause } from "../../hosts/wait/wait";
import { LOOK_AGAIN_MS, look, mayStillRun, run } from "./nixosSystemSwitch";
import { stackPrefix } from "./hypervisorWants";
import type { SwitchTask } from "./nixosSystemSwitch";

/** Reboots into the wanted system and confirms it. Throws if the previous system came back. */
export async function rebootSystem(task: SwitchTask, before: HostFacts): Promise<HostFacts> {
  const { context, wanted } = task;
  try {
    await run(task, "system-reboot", {
      stack: stackPrefix(context.urn),
      stop_order: wanted.stopOrder.join(" "),
      boot_seconds: String(wanted.bootTimeoutSeconds),
    });
  } catch (error) {
    // The reboot may have closed the connection.
    if (!mayStillRun(error)) throw error;
  }
  context.status("rebooting");
  const after = await awaitBoot(task, before);
  return after.system.current === wanted.toplevel ? confirmBoot(task) : settleFailedBoot(task);
}

/** Confirms the boot: this login has reached it. */
export function confirmBoot(task: SwitchTask): Promise<HostFacts> {
  return run(task, "system-confirm", {});
}

/** The host came back on the previous system. Records that, and throws. */
export async function settleFailedBoot(task: SwitchTask): Promise<never> {
  const { wanted } = task;
  const { system } = await run(task, "system-settle", {});
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
async function awaitBoot(task: SwitchTask, before: HostFacts): Promise<HostFacts> {
  const { context, wanted } = task;
  const deadline = Math.min(context.deadline, Date.now() + 2 * wanted.bootTimeoutSeconds * 1000);
  for (;;) {
    const facts = await look(task, deadline).catch((error: unknown) => {
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
