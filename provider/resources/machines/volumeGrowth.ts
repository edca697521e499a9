/** How a volume grows: on the host, or while its VM runs. Pure. */
import { effectOn, kindOf, remedyOf } from "../../../contract/promises";
import type { Effect } from "../../../contract/effects";
import { ProviderError } from "../../errors";
import type { HostFacts } from "../../hosts/facts/hostFacts";
import { isStopped } from "../../hosts/facts/vmFacts";

export function growthOf({ vms }: HostFacts, vm: string): Effect {
  const found = vms.get(vm);
  const effect = effectOn("volumeSize", isStopped(found) ? "stopped" : "running");
  return effect === "live" && found?.vmm !== "qemu"
    ? (kindOf("volumeSize").otherwise ?? effect)
    : effect;
}

/** The script on the host refuses this too. Here it shows in a preview. `what`: the volume. */
export function refuseGrowth(facts: HostFacts, vm: string, what: string): void {
  if (growthOf(facts, vm) !== "refused") return;
  throw new ProviderError(
    "operation",
    `${what} can't grow while its VM runs: this takes QEMU and microvm.socket`,
    remedyOf("volumeSize"),
  );
}
