/** The states of VMs, and the effects that changes have on them. Pure. */

/** The states in which a change can find a VM. */
export const VM_STATES = {
  running: "runs the installed system since its start",
  switchedLive: "was switched live to its system",
  imported: "was started by another tool and runs",
  startFailed: "was started, and its guest has not answered yet",
  stopped: "does not run",
} as const;
export type VmState = keyof typeof VM_STATES;

/** Effects on a VM, from the weakest to the strongest. The strongest of several applies. */
export const EFFECTS = {
  nothing: "Nothing happens to the VM.",
  recorded: "The new value is recorded. The VM is not disturbed.",
  varies: "The effect is that of each value that changes with it.",
  nextStart: "It is installed and takes effect when the VM starts.",
  live: "It is applied while the VM runs. The guest keeps its boot.",
  restart: "The VM stops and starts.",
  start: "The VM starts.",
  stop: "The VM stops.",
  refused: "The preview fails and shows the remedy. Nothing is changed.",
} as const;
export type Effect = keyof typeof EFFECTS;

const STRENGTH = Object.keys(EFFECTS);

/** The strongest of effects; nothing if there are none. */
export function strongest(effects: readonly Effect[]): Effect {
  return effects.reduce<Effect>(
    (most, one) => (STRENGTH.indexOf(one) > STRENGTH.indexOf(most) ? one : most),
    "nothing",
  );
}

/** The requirements of the effect `live`. */
export const LIVE_NEEDS = {
  flake: "its flake does not say that it can be switched live",
  address: "it has no address to reach it by",
  hostKey: "it has no SSH host key that could be pinned",
  report: "the guest does not say which system it runs",
} as const;
export type LiveNeed = keyof typeof LIVE_NEEDS;

/** Why a VM in one of these states cannot be switched live. */
export const NOT_LIVE: Partial<Record<VmState, string>> = {
  imported: "it is not known what hardware it was started with",
  startFailed: "its guest has not answered since its last start",
};

/** `updatePolicy` turns effects of kinds with `byPolicy` into others. */
export const POLICIES = {
  live: {},
  restart: { live: "restart" },
  onNextBoot: { live: "nextStart", restart: "nextStart" },
} as const satisfies Record<string, Partial<Record<Effect, Effect>>>;
export type UpdatePolicy = keyof typeof POLICIES;
