/** What a change of a VM needs, and why. Pure: the same decision in the preview and in the update. */
import type { Plan } from "../../../contract/notices";
import { RENAMING } from "./microVmState";
import { printable } from "../../hosts/transport/printable";
import type { Inputs, State } from "./microVmState";

export interface Decision {
  /**
   * - `nothing`: it is as it should be, or only its links and records change.
   * - `install`: what is new holds from the VM's next start.
   * - `start`, `stop`, `restart`: of the VM.
   * - `switch`: the guest activates its new system while it runs.
   */
  action: "nothing" | "install" | "start" | "stop" | "restart" | "switch";
  /** For people; empty for `nothing`. */
  reason: string;
}

export function decide(wanted: Inputs, state: State | undefined): Decision {
  if (!wanted.running) {
    return state?.running === true
      ? { action: "stop", reason: "running is false" }
      : { action: "install", reason: "it does not run" };
  }
  if (state?.running !== true) return { action: "start", reason: "it does not run" };
  if (state.status === RENAMING) return { action: "restart", reason: "it gets another name" };
  if (state.restart !== wanted.restart) {
    return { action: "restart", reason: "`restart` was changed" };
  }
  if (runsWanted(wanted, state)) return { action: "nothing", reason: "" };
  switch (wanted.updatePolicy) {
    case "onNextBoot":
      return { action: "install", reason: "updatePolicy is onNextBoot" };
    case "restart":
      return { action: "restart", reason: "updatePolicy is restart" };
    case "live":
      return live(wanted, state);
  }
}

/** It runs the wanted system on the wanted hardware, so far as that can be known. */
function runsWanted(wanted: Inputs, state: State): boolean {
  if (state.system !== "" && state.system !== wanted.toplevel) return false;
  if (state.booted === wanted.runner) return true;
  return state.system === wanted.toplevel && hasHardware(wanted, state);
}

function hasHardware(wanted: Inputs, state: State): boolean {
  return wanted.hardware !== "" && state.bootedHardware === wanted.hardware;
}

/** Live where microvm.nix's deploy.rebuild would, and where it is known that nothing else is needed. */
function live(wanted: Inputs, state: State): Decision {
  const obstacle = obstacleToSwitch(wanted, state);
  return obstacle === undefined
    ? { action: "switch", reason: "the system changes, the hardware does not" }
    : { action: "restart", reason: obstacle };
}

const HARDWARE = "the hardware changes";

function obstacleToSwitch(wanted: Inputs, state: State): string | undefined {
  if (!wanted.liveSwitch || wanted.closureInfo === undefined) {
    return "its flake does not say that it can be switched live";
  }
  if (wanted.address === "") return "it has no address to reach it by";
  if (state.guestHostKey === "") return "it has no SSH host key that could be pinned";
  if (state.booted !== wanted.runner) {
    if (state.bootedHardware === "") return "it is not known what hardware it was started with";
    if (!hasHardware(wanted, state)) return HARDWARE;
  }
  if (state.system === "") return "the guest does not say which system it runs";
  return undefined;
}

const WORDS: Readonly<Record<Decision["action"], string>> = {
  nothing: "",
  install: "installed, takes effect when it starts",
  start: "starts",
  stop: "stops",
  restart: "restarts",
  switch: "live switch, it keeps running",
};

/** One line for a preview: `kw1: live switch, it keeps running: the system changes, ...`. */
export function explain(
  wanted: Inputs,
  state: State | undefined,
  before?: Inputs,
): string | undefined {
  if (state?.status === RENAMING) return explainRename(wanted, state);
  const { action } = decide(wanted, state);
  const reason = reasonOf(wanted, state, before);
  if (reason === "") return undefined;
  return `${wanted.name}: ${action === "nothing" ? "" : `${WORDS[action]}: `}${reason}`;
}

/** The same for programs. */
export function plan(wanted: Inputs, state: State | undefined, before?: Inputs): Plan {
  const { action: effect } = decide(wanted, state);
  return { effect, reason: reasonOf(wanted, state, before), packages: [] };
}

/** The reason of the decision with its details, and what changes beside it. */
function reasonOf(wanted: Inputs, state: State | undefined, before: Inputs | undefined): string {
  const { reason } = decide(wanted, state);
  const detail = reason === HARDWARE ? hardwareChanges(wanted, before) : "";
  const isRetargeted =
    state?.running === true && state.memoryTargetMiB !== (wanted.memoryTargetMiB ?? 0);
  const memory = isRetargeted ? "memory target, without a restart" : "";
  return [`${reason}${detail}`, memory].filter((part) => part !== "").join("; ");
}

/** `kw2: renamed from kw1: stops, its directory moves, starts as kw2`. */
function explainRename({ name, renamedFrom, running }: Inputs, state: State): string {
  const steps = [
    ...(state.running ? ["stops"] : []),
    "its directory moves",
    ...(running ? [`starts as ${name}`] : []),
  ];
  return `${name}: renamed from ${renamedFrom ?? "another name"}: ${steps.join(", ")}`;
}

/** ` (memory 192 MiB -> 224 MiB)`. Empty if the change is one of the flake, such as a kernel. */
function hardwareChanges(wanted: Inputs, before: Inputs | undefined): string {
  const old = new Map(Object.entries(before?.hardwareParts ?? {}));
  if (old.size === 0) return "";
  const now = new Map(Object.entries(wanted.hardwareParts));
  const names = [...new Set([...old.keys(), ...now.keys()])];
  const changes = names
    .filter((name) => old.get(name) !== now.get(name))
    .map((name) => `${name} ${old.get(name) ?? "none"} -> ${now.get(name) ?? "none"}`);
  return changes.length === 0 ? "" : ` (${printable(changes.join(", "))})`;
}
