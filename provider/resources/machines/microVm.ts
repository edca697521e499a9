/** `MicroVm`: a VM in microvm.nix's layout: installed, running or not, and answering. */
import { ProviderError } from "../../errors";
import type { HostFacts, VmFact } from "../../hosts/facts/hostFacts";
import { openRecord, refuseOthers } from "../../ownership";
import type { Context, Resource } from "../../resource";
import { UNKNOWN } from "../../wire";
import type { ValueMap } from "../../wire";
import { importable, requireMachine, splitId } from "../shared/fields";
import { memoryDrift } from "./memory";
import {
  STOP_SECONDS,
  restartSeconds,
  settle,
  slotParameters,
  startDeadline,
} from "./microVmStart";
import { inputs, nameOnHost, outputs, stateOf } from "./microVmState";
import type { Inputs, State } from "./microVmState";
import { switchLive } from "./microVmSwitch";
import { decide, explain, plan } from "./microVmUpdate";
import type { Decision } from "./microVmUpdate";
import { isFormerName, isSameMachine } from "../shared/renamed";
import { withLimit } from "../shared/turn";
import { refuseElsewhere, refuseRename, refuseUnrecorded, renameFirst } from "./vmRename";

async function refuse(
  context: Context,
  wanted: Inputs,
  observed: State | undefined,
  recorded: State | undefined,
): Promise<void> {
  const facts = await context.pool.get(wanted.host).read(context);
  refuseRename(facts, wanted, context.urn);
  refuseElsewhere(nameOnHost(facts, wanted, context), wanted);
  if (observed === undefined) {
    if (recorded !== undefined) refuseUnrecorded(facts, wanted, context.urn);
    return;
  }
  const what = `${wanted.host}: VM ${wanted.name}`;
  refuseOthers(observed.ownership, what);
  if (observed.ownership === "missing" && recorded === undefined) {
    throw new ProviderError(
      "foreign",
      `${what} exists, and no stack recorded making it; it was left alone`,
      "To take it over as it is, set import: true on the VM; or give this one another name.",
    );
  }
}

/** What would have to stop the VM when it is next converged is not imported. */
function requireImportable(vm: VmFact, id: string): void {
  if (vm.active === "active" && vm.booted !== vm.current) {
    throw new ProviderError(
      "foreign",
      `${id} runs ${vm.booted ?? "an unknown runner"}, and ${vm.current ?? "nothing"} is installed: it can't be imported as it is`,
      "Restart it first, so that what runs is what is installed.",
    );
  }
  if (vm.toplevel === undefined && vm.system === undefined) {
    throw new ProviderError(
      "foreign",
      `${id}: its runner does not name the guest's system (share/microvm/system)`,
      "Set microvm.systemSymlink = true for it, and install it again.",
    );
  }
}

/** The guest runs something else than its hypervisor has installed for it, or than is wanted. */
function systemDrift(state: State, wanted: Inputs): string[] {
  const isOther = state.running && state.system !== "" && state.system !== wanted.toplevel;
  return [...(state.stale ? ["stale"] : []), ...(isOther ? ["system"] : [])];
}

/** What runs after `inputs` are applied; the guest says its system only when it has started. */
function predictRunning(wanted: Inputs, state: State | undefined): ValueMap {
  if (!wanted.running) return { booted: "", system: "", bootedHardware: "", stale: false };
  const { action } = decide(wanted, state);
  if (state === undefined || action === "start" || action === "restart") {
    const { runner: booted, hardware: bootedHardware } = wanted;
    return { booted, system: UNKNOWN, bootedHardware, stale: false };
  }
  const { booted, system, bootedHardware } = state;
  return {
    booted,
    system: action === "switch" ? wanted.toplevel : system,
    bootedHardware,
    stale: action === "install",
  };
}

/** What a host does only a few of at a time: a VM that boots or shuts down takes its processors. */
const LOADS_HOST: readonly Decision["action"][] = ["start", "stop", "restart"];

/** Installs the VM, and ends what that has started: a start or a live switch. */
async function installAndSettle(
  context: Context,
  wanted: Inputs,
  before: HostFacts,
  action: Decision["action"],
  recorded: State | undefined,
): Promise<State> {
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
      update: action,
      seen: before.vms.get(wanted.name)?.invocation ?? "",
      known: recorded === undefined ? "no" : "yes",
      record: openRecord(context.urn, { running: wanted.running, restart: wanted.restart }),
      ...slotParameters(context, wanted),
    },
    seconds: restartSeconds(context),
  });
  const state = stateOf(facts, wanted, context);
  if (state === undefined) {
    throw new ProviderError("operation", `${wanted.host}: VM ${wanted.name} was not installed`);
  }
  if (state.status === "activating" && action !== "install") {
    return switchLive(context, wanted, state);
  }
  if (state.status === "ready") return state;
  return settle(context, wanted, state, startDeadline(context, facts, wanted));
}

export const microVm: Resource<Inputs, State> = {
  type: "MicroVm",
  description:
    "A VM in microvm.nix's layout. Installs the runner, starts, stops and restarts it, or switches its guest to a " +
    "new system while it runs; no other VM is touched. Its volumes and its /etc share stay when it is removed.",
  inputs,
  outputs,
  timeoutSeconds: 600,
  immutable: {
    host: "Moving a VM to another hypervisor is not built yet; make a new one there.",
    machineId: "This is another machine.",
    name: "Make a new VM, and remove this one.",
  },
  mirrored: ["runner", "toplevel", "running", "restart"],
  incidental: [
    "renamedFrom",
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

  drift(state, wanted) {
    return [
      ...(state.ownership === "owned" ? [] : ["ownership"]),
      ...(wanted.updatePolicy === "onNextBoot" ? [] : systemDrift(state, wanted)),
      ...(state.autostart === wanted.running ? [] : ["autostart"]),
      // Too late for a guest that runs: the key is made before its next start.
      ...(state.guestHostKey === "" && !state.running ? ["guestHostKey"] : []),
      ...(state.status === "ready" ? [] : ["status"]),
      ...memoryDrift(state, wanted),
    ];
  },

  explain,

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
  }),

  async observe(context, wanted) {
    const facts = await context.pool.get(wanted.host).read(context);
    requireMachine(facts, wanted.host, wanted.machineId);
    return stateOf(facts, wanted, context);
  },

  refuse,

  owned: (state) => state.ownership === "owned",

  async converge(context, wanted, _observed, recorded) {
    const before = await renameFirst(context, wanted);
    const { action } = decide(wanted, stateOf(before, wanted, context));
    const work = (): Promise<State> => installAndSettle(context, wanted, before, action, recorded);
    if (!LOADS_HOST.includes(action)) return work();
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
      running: vm.active === "active",
    };
    const wanted = importable(inputs, found, id);
    const state = stateOf(facts, wanted, context);
    return state && { inputs: wanted, state };
  },
};
