/** The memory target in `MicroVm`. Pure. scripts/machines/memory.sh applies it. */
import { z } from "zod";
import { kindOf, remedyOf } from "../../../contract/promises";
import { ProviderError } from "../../errors";
import type { VmFact } from "../../hosts/facts/hostFacts";

export const memoryTargetMiB = z
  .int()
  .min(1)
  .optional()
  .describe(
    "The memory that the balloon leaves to the guest, MiB. Default: all of it. A change needs no " +
      "restart. The target is sent to the VMM again after each start. The guest may take memory " +
      "back when it runs out of it.",
  );

/** The size of the balloon is not an output: it changes slowly and when memory is short. */
export const memoryOutputs = {
  memoryTargetMiB: z.int().default(0).describe("The recorded target, MiB. 0: no target."),
  memoryPending: z
    .boolean()
    .default(false)
    .describe("The VM runs, and its VMM has not received the target since its start."),
};

interface Target {
  host: string;
  name: string;
  memoryTargetMiB?: number | undefined;
}

type MemoryState = z.infer<z.ZodObject<typeof memoryOutputs>>;

export function memoryState(vm: VmFact | undefined): MemoryState {
  return {
    memoryTargetMiB: vm?.memoryTargetMiB ?? 0,
    memoryPending: vm?.memoryPending ?? false,
  };
}

/** A target for a running VM requires a balloon. The script refuses it too. */
export function refuseTarget(
  { host, name, memoryTargetMiB: target }: Target,
  vm: VmFact | undefined,
): void {
  if (target === undefined || (vm?.vmm !== undefined && vm.hasBalloon === true)) return;
  if (kindOf("memoryTarget").otherwise !== "refused") return;
  throw new ProviderError(
    "operation",
    `${host}: the memory target of ${name} can't be applied: ` +
      "the VMM has no balloon or no control socket",
    remedyOf("memoryTarget"),
  );
}
