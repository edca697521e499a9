/** Which observed values of a VM are drift. contract/drift.ts lists and explains them. Pure. */
import type { VmDrift } from "../../../contract/drift";
import type { Inputs, State } from "./microVmState";
import { tapChange } from "./tap";

/** These are inputs too: lifecycle.ts compares them. */
export const MIRRORED = ["runner", "toplevel", "running", "restart"] as const;
type Compared = Exclude<VmDrift, (typeof MIRRORED)[number]>;

/** The guest will run another system from its next start on. */
const waits = ({ updatePolicy }: Inputs): boolean => updatePolicy === "onNextBoot";

const IS_DRIFT: Readonly<Record<Compared, (state: State, wanted: Inputs) => boolean>> = {
  ownership: ({ ownership }) => ownership !== "owned",
  stale: ({ stale }, wanted) => stale && !waits(wanted),
  system: ({ running, system }, wanted) =>
    running && system !== "" && system !== wanted.toplevel && !waits(wanted),
  taps: (state, wanted) => tapChange(state, wanted) !== undefined,
  autostart: ({ autostart }, wanted) => autostart !== wanted.running,
  // The key of a running guest cannot be created: the provider creates it before a start.
  guestHostKey: ({ guestHostKey, running }) => guestHostKey === "" && !running,
  status: ({ status }) => status !== "ready",
  memoryTargetMiB: ({ memoryTargetMiB }, wanted) =>
    memoryTargetMiB !== (wanted.memoryTargetMiB ?? 0),
  memoryPending: ({ memoryPending }) => memoryPending,
};

export function microVmDrift(state: State, wanted: Inputs): string[] {
  return Object.entries(IS_DRIFT)
    .filter(([, isDrift]) => isDrift(state, wanted))
    .map(([property]) => property);
}
