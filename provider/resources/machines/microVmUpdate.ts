/**
 * The action that a change of a VM requires, and the reason. Compares a VM with its inputs, and
 * takes the effect of each difference from contract/promises.ts. Pure: the same in preview and
 * update.
 */
import type { Plan } from "../../../contract/notices";
import { LIVE_NEEDS, NOT_LIVE, strongest } from "../../../contract/effects";
import { effectOn, kindOf, underPolicy } from "../../../contract/promises";
import type { Effect, LiveNeed, VmState } from "../../../contract/effects";
import type { KindName } from "../../../contract/promises";
import { printable } from "../../hosts/transport/printable";
import { RENAMING } from "./microVmState";
import type { Inputs, State } from "./microVmState";
import { tapChange } from "./tap";

export interface Decision {
  effect: Effect;
  /** For people. Empty for `nothing`. */
  reason: string;
}

/** A pending change, its effect, and its text in the preview. */
interface Pending extends Decision {
  kind: KindName;
}

/** Changes that are applied separately, whatever else happens to the VM. */
const ASIDE: readonly KindName[] = ["memoryTarget", "tap"];

/** The strongest effect of the other changes, and its first reason. */
export function decide(wanted: Inputs, state: State | undefined): Decision {
  const all = pending(wanted, state).filter(({ kind }) => !ASIDE.includes(kind));
  const effect = strongest(all.map((one) => one.effect));
  return { effect, reason: all.find((one) => one.effect === effect)?.reason ?? "" };
}

/** Must the tap of the running VM be connected again? A VM that restarts gets a new tap. */
export function connectsTap(wanted: Inputs, state: State | undefined): boolean {
  return (
    pending(wanted, state).some(({ kind }) => kind === "tap") &&
    decide(wanted, state).effect !== "restart"
  );
}

/** Must the VMM receive a memory target while the guest keeps running? */
export function tellsTarget(wanted: Inputs, state: State | undefined): boolean {
  return (
    pending(wanted, state).some(
      ({ kind, effect }) => kind === "memoryTarget" && effect === "live",
    ) && decide(wanted, state).effect !== "restart"
  );
}

export function vmStateOf(state: State | undefined): VmState {
  if (state?.running !== true) return "stopped";
  if (["starting", "switching"].includes(state.status)) return "startFailed";
  if (state.bootedHardware === "") return "imported";
  return state.booted === state.runner ? "running" : "switchedLive";
}

/** A restart and a start apply all changes, so the first reason is the best one. */
function pending(wanted: Inputs, state: State | undefined): Pending[] {
  const kinds =
    state?.running === true ? kindsOfRunning(wanted, state) : kindsOfStopped(wanted, state);
  return kinds.map((kind) => ({ kind, ...decisionOf(kind, wanted, state) }));
}

function kindsOfStopped(wanted: Inputs, state: State | undefined): KindName[] {
  const isInstalled = state?.runner === wanted.runner && state.toplevel === wanted.toplevel;
  return [
    ...(wanted.running ? (["running"] as const) : []),
    ...(state?.status === RENAMING ? (["name"] as const) : []),
    ...(isInstalled ? [] : (["system"] as const)),
  ];
}

function kindsOfRunning(wanted: Inputs, state: State): KindName[] {
  if (!wanted.running) return ["running"];
  const tap = tapChange(state, wanted);
  return [
    ...(state.status === RENAMING ? (["name"] as const) : []),
    ...(state.restart === wanted.restart ? [] : (["restart"] as const)),
    ...(tap === undefined ? [] : [tap]),
    ...(runsWanted(wanted, state) ? [] : kindsOfClosure(wanted, state)),
    ...(isMemoryAsWanted(wanted, state) ? [] : (["memoryTarget"] as const)),
  ];
}

/** The differences of the runner and the system. Unknown values count as equal. */
function kindsOfClosure(wanted: Inputs, state: State): KindName[] {
  const { hardware, address, hostName } = wanted;
  const differs = (old: string, value: string): boolean => old !== "" && old !== value;
  const hasOtherHardware =
    state.booted !== wanted.runner && differs(state.bootedHardware, hardware);
  return [
    ...(hasOtherHardware ? (["hardware"] as const) : []),
    ...(differs(state.address, address) ? (["address"] as const) : []),
    ...(hostName !== "" && differs(state.hostName, hostName) ? (["hostName"] as const) : []),
    "system",
  ];
}

/** The VM runs the wanted system on the wanted hardware, as far as that is known. */
function runsWanted(wanted: Inputs, state: State): boolean {
  if (state.system !== "" && state.system !== wanted.toplevel) return false;
  if (state.booted === wanted.runner) return true;
  const hasHardware = wanted.hardware !== "" && state.bootedHardware === wanted.hardware;
  return state.system === wanted.toplevel && hasHardware;
}

function isMemoryAsWanted(wanted: Inputs, state: State): boolean {
  return state.memoryTargetMiB === (wanted.memoryTargetMiB ?? 0) && !state.memoryPending;
}

function decisionOf(kind: KindName, wanted: Inputs, state: State | undefined): Decision {
  const vm = vmStateOf(state);
  if (kind === "running") {
    return { effect: effectOn(kind, vm), reason: wanted.running ? IDLE : "running is false" };
  }
  if (state === undefined || vm === "stopped") return { effect: effectOn(kind, vm), reason: IDLE };
  const able = ability(kind, wanted, state, vm);
  if (kindOf(kind).byPolicy !== true) return able;
  const effect = underPolicy(able.effect, wanted.updatePolicy);
  return effect === able.effect
    ? able
    : { effect, reason: `updatePolicy is ${wanted.updatePolicy}` };
}

const IDLE = "it does not run";

/** The effect that this VM can take, without its policy. */
function ability(kind: KindName, wanted: Inputs, state: State, vm: VmState): Decision {
  const { what, otherwise } = kindOf(kind);
  const effect = effectOn(kind, vm);
  if (kind === "address") {
    return { effect, reason: `${what} (${state.address} -> ${printable(wanted.address)})` };
  }
  if (kind !== "system") return { effect, reason: what };
  const reason = NOT_LIVE[vm];
  if (effect !== "live") return { effect, reason: reason ?? what };
  const lacking = NEEDS.find(([, isMet]) => !isMet(wanted, state));
  if (lacking === undefined) return { effect, reason: what };
  return { effect: otherwise ?? effect, reason: LIVE_NEEDS[lacking[0]] };
}

const NEEDS: readonly [LiveNeed, (wanted: Inputs, state: State) => boolean][] = [
  ["flake", ({ liveSwitch, closureInfo }) => liveSwitch && closureInfo !== undefined],
  ["address", ({ address }) => address !== ""],
  ["hostKey", (_, { guestHostKey }) => guestHostKey !== ""],
  ["report", (_, { system }) => system !== ""],
];

const WORDS: Readonly<Record<Effect, string>> = {
  nothing: "",
  recorded: "",
  varies: "",
  nextStart: "installed, takes effect when it starts",
  live: "live switch, it keeps running",
  restart: "restarts",
  start: "starts",
  stop: "stops",
  refused: "refused",
};

/** One line for a preview: `kw1: live switch, it keeps running: the system changes, ...`. */
export function explain(
  wanted: Inputs,
  state: State | undefined,
  before?: Inputs,
): string | undefined {
  if (state?.status === RENAMING) return explainRename(wanted, state);
  const { effect } = decide(wanted, state);
  const reason = reasonOf(wanted, state, before);
  if (WORDS[effect] === "") return reason === "" ? undefined : `${wanted.name}: ${reason}`;
  return `${wanted.name}: ${WORDS[effect]}: ${reason}`;
}

/** The same for programs. */
export function plan(wanted: Inputs, state: State | undefined, before?: Inputs): Plan {
  const { effect } = decide(wanted, state);
  return { effect: PLANNED[effect], reason: reasonOf(wanted, state, before), packages: [] };
}

const PLANNED: Readonly<Record<Effect, Plan["effect"]>> = {
  nothing: "nothing",
  recorded: "nothing",
  varies: "nothing",
  nextStart: "nextStart",
  live: "live",
  restart: "restart",
  start: "start",
  stop: "stop",
  refused: "nothing",
};

/** The reason of the decision with its details, and what changes beside it. */
function reasonOf(wanted: Inputs, state: State | undefined, before: Inputs | undefined): string {
  const { effect, reason } = decide(wanted, state);
  const detail = reason === kindOf("hardware").what ? hardwareChanges(wanted, before) : "";
  const update = WORDS[effect] === "" ? "" : `${reason}${detail}`;
  return [update, ...explainAside(wanted, state)].filter((part) => part !== "").join("; ");
}

function explainAside(wanted: Inputs, state: State | undefined): string[] {
  const { bridge = "its bridge" } = wanted;
  const hasTarget = pending(wanted, state).some(
    ({ kind, effect }) => kind === "memoryTarget" && effect === "live",
  );
  return [
    ...(hasTarget ? ["memory target, without a restart"] : []),
    ...(connectsTap(wanted, state)
      ? [`its tap is connected to ${bridge} again, without a restart`]
      : []),
  ];
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
