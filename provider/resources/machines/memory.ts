/** The part of `MicroVm` that is about the memory target. Pure; scripts/memory.sh applies it. */
import { z } from "zod";
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

type MemoryState = z.infer<z.ZodObject<typeof memoryOutputs>>;

export function memoryState(vm: VmFact | undefined): MemoryState {
  return {
    memoryTargetMiB: vm?.memoryTargetMiB ?? 0,
    memoryPending: vm?.memoryPending ?? false,
  };
}

export function memoryDrift(
  state: MemoryState,
  wanted: { memoryTargetMiB?: number | undefined },
): string[] {
  return [
    ...(state.memoryTargetMiB === (wanted.memoryTargetMiB ?? 0) ? [] : ["memoryTargetMiB"]),
    ...(state.memoryPending ? ["memoryPending"] : []),
  ];
}
