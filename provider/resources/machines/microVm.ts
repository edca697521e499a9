/** `MicroVm`: a VM in microvm.nix's layout: installed, running or not, and answering. */
import { remedyOf } from "../../../contract/promises";
import type { Effect } from "../../../contract/effects";
import { ProviderError } from "../../errors";
import type { HostFacts } from "../../hosts/facts/hostFacts";
import { openRecord } from "../../ownership";
import type { Context, Resource } from "../../resource";
import { UNKNOWN } from "../../wire";
import type { Value, ValueMap } from "../../wire";
import { importable, requireMachine, splitId } from "../shared/fields";
import { MIRRORED, microVmDrift } from "./microVmDrift";
import { refuse, requireImportable } from "./microVmRefusals";
import {
  STOP_SECONDS,
  confirmTap,
  restartSeconds,
  settle,
  slotParameters,
  startDeadline,
} from "./microVmStart";
import { inputs, outputs, stateOf } from "./microVmState";
import type { Inputs, State } from "./microVmState";
import { switchLive } from "./microVmSwitch";
import { connectsTap, decide, explain, plan } from "./microVmUpdate";
import { isFormerName, isSameMachine } from "../shared/renamed";
import { withLimit } from "../shared/turn";
import { renameFirst } from "./vmRename";

/** What runs after `inputs` are applied; the guest says its system only when it has started. */
function predictRunning(wanted: Inputs, state: State | undefined): ValueMap {
  if (!wanted.running) {
    return { booted: "", system: "", bootedHardware: "", address: "", hostName: "", stale: false };
  }
  const { effect } = decide(wanted, state);
  if (state === undefined || effect === "start" || effect === "restart") {
    const { runner: booted, hardware: bootedHardware } = wanted;
    const guest = { system: UNKNOWN, address: UNKNOWN, hostName: UNKNOWN };
    return { booted, bootedHardware, ...guest, stale: false };
  }
  const { booted, system, bootedHardware, address, hostName } = state;
  return {
    booted,
    system: effect === "live" ? wanted.toplevel : system,
    bootedHardware,
    address,
    hostName,
    stale: effect === "nextStart",
  };
}

/** Taps of a VM that starts are made anew. */
function tapsAfter(wanted: Inputs, state: State | undefined): Value {
  if (!wanted.running) return [];
  const { effect } = decide(wanted, state);
  const isAsBefore = state !== undefined && !["start", "restart"].includes(effect);
  return isAsBefore && !connectsTap(wanted, state) ? state.taps : UNKNOWN;
}

/** The word of scripts/machines/microvm-apply.sh for an effect. */
const UPDATE: Readonly<Record<Effect, string>> = {
  nothing: "nothing",
  recorded: "nothing",
  varies: "nothing",
  refused: "nothing",
  nextStart: "install",
  live: "switch",
  restart: "restart",
  start: "start",
  stop: "nothing",
};

/** What a host does only a few of at a time: a VM that boots or shuts down takes its processors. */
const LOADS_HOST: readonly Effect[] = ["start", "stop", "restart"];

/** Where guests are by their systems: the wanted one, and the one that runs, where it is known. */
function guestParameters(wanted: Inputs, observed: State | undefined): Record<string, string> {
  const line = (toplevel: string, address: string, hostName: string): string =>
    [toplevel, address, hostName].map((word) => (word === "" ? "-" : word)).join(" ");
  const running =
    observed === undefined || observed.system === ""
      ? ""
      : line(observed.system, observed.address, observed.hostName);
  return { guest: line(wanted.toplevel, wanted.address, wanted.hostName), running_guest: running };
}

function recordOf(wanted: Inputs, urn: string): string {
  const { running, restart, address, mac, vsockCid } = wanted;
  return openRecord(urn, {
    running,
    restart,
    ...(address !== "" && { address }),
    ...(mac !== "" && { mac }),
    ...(vsockCid !== undefined && { vsockCid: String(vsockCid) }),
  });
}

/** Installs the VM, and ends what that has started: a start or a live switch. */
async function installAndSettle(
  context: Context,
  wanted: Inputs,
  before: HostFacts,
  observed: State | undefined,
  recorded: State | undefined,
): Promise<State> {
  const { effect } = decide(wanted, observed);
  const connects = connectsTap(wanted, observed);
  const facts = await context.pool.get(wanted.host).operate(context, {
    script: "microvm-apply",
    machineId: wanted.machineId,
    parameters: {
      name: wanted.name,
      runner: wanted.runner,
      toplevel: wanted.toplevel,
      running: wanted.running ? "yes" : "no",
      restart: `"restart":${JSON.stringify(wanted.restart)}`,
      memory_target: String(wanted.memoryTargetMiB ?? ""),
      hardware: wanted.hardware,
      ...guestParameters(wanted, observed),
      bridge: connects ? (wanted.bridge ?? "") : "",
      update: UPDATE[effect],
      seen: before.vms.get(wanted.name)?.invocation ?? "",
      known: recorded === undefined ? "no" : "yes",
      record: recordOf(wanted, context.urn),
      ...slotParameters(context, wanted),
    },
    seconds: restartSeconds(context),
  });
  const state = stateOf(facts, wanted, context);
  if (state === undefined) {
    throw new ProviderError("operation", `${wanted.host}: VM ${wanted.name} was not installed`);
  }
  if (state.status === "activating" && effect !== "nextStart") {
    return switchLive(context, wanted, state, observed?.status === "activating");
  }
  if (state.status === "ready") {
    return connects ? confirmTap(context, wanted, state) : state;
  }
  return settle(context, wanted, state, startDeadline(context, facts, wanted));
}

export const microVm: Resource<Inputs, State> = {
  type: "MicroVm",
  description:
    "A VM in microvm.nix's layout. Installs the runner, starts, stops and restarts the VM, or " +
    "switches its guest to a new system while it runs. Affects no other VM. The volumes and the " +
    "/etc share of the VM stay when it is removed.",
  inputs,
  outputs,
  timeoutSeconds: 600,
  immutable: {
    host: remedyOf("move"),
    machineId: "This is another machine.",
    name: "If the VM has a new name, set renamedFrom to its old name.",
  },
  mirrored: MIRRORED,
  incidental: [
    "renamedFrom",
    "hostName",
    "bridge",
    "mac",
    "vsockCid",
    "shareSources",
    "hardware",
    "hardwareParts",
    "closureInfo",
    "liveSwitch",
    "updatePolicy",
    "switchTimeoutSeconds",
  ],
  formerName: ({ renamedFrom }) => renamedFrom,
  isRenamed: (property, news, olds) =>
    property === "host" ? isSameMachine(news, olds) : isFormerName(property, news, olds),
  id: (wanted) => `${wanted.host}/${wanted.name}`,

  drift: microVmDrift,

  explain: ({ isNew, inputs, observed, before }) =>
    isNew ? undefined : explain(inputs, observed, before),

  plan,

  predict: (wanted, state) => ({
    runner: wanted.runner,
    toplevel: wanted.toplevel,
    running: wanted.running,
    restart: wanted.restart,
    ...predictRunning(wanted, state),
    autostart: wanted.running,
    guestHostKey: state === undefined || state.guestHostKey === "" ? UNKNOWN : state.guestHostKey,
    ownership: "owned",
    status: "ready",
    memoryTargetMiB: wanted.memoryTargetMiB ?? 0,
    memoryPending: false,
    taps: tapsAfter(wanted, state),
  }),

  async observe(context, wanted, recorded) {
    const facts = await context.pool.get(wanted.host).read(context);
    requireMachine(facts, wanted.host, wanted.machineId);
    return stateOf(facts, wanted, context, recorded);
  },

  refuse,

  owned: (state) => state.ownership === "owned",

  async converge(context, wanted, _observed, recorded) {
    const before = await renameFirst(context, wanted);
    const observed = stateOf(before, wanted, context, recorded);
    const work = (): Promise<State> =>
      installAndSettle(context, wanted, before, observed, recorded);
    if (!LOADS_HOST.includes(decide(wanted, observed).effect)) return work();
    const { vms } = context.pool.limitsOf(wanted.host);
    return withLimit(context, vms, wanted.host, wanted.name, work);
  },

  async remove(context, wanted) {
    const { host, machineId, name } = wanted;
    const operation = {
      script: "microvm-remove",
      machineId,
      parameters: { name, ...slotParameters(context, wanted) },
      seconds: STOP_SECONDS,
    };
    await withLimit(context, context.pool.limitsOf(host).vms, host, name, () =>
      context.pool.get(host).operate(context, operation),
    );
  },

  async find(context, id) {
    const { host: hostName, rest } = splitId(id, "HYPERVISOR/VM");
    const facts = await context.pool.get(hostName).read(context);
    const vm = facts.vms.get(rest);
    if (vm?.current === undefined) return undefined;
    requireImportable(vm, id);
    const found = {
      host: hostName,
      machineId: facts.machineId,
      name: rest,
      runner: vm.current,
      toplevel: vm.toplevel ?? vm.system,
      // A VM that was switched live differs from what it was started with, but not in its hardware.
      hardware: vm.currentHardware,
      running: vm.active === "active",
    };
    const wanted = importable(inputs, found, id);
    const state = stateOf(facts, wanted, context);
    return state && { inputs: wanted, state };
  },
};
