/**
 * `NixosSystem`: the host's own system. A new login must confirm a switch, or it is rolled back.
 */
import { ProviderError } from "../../errors";
import type { HostFacts } from "../../hosts/facts/hostFacts";
import { Wait, within } from "../../hosts/wait/wait";
import { ownNameOf, refuseOthers } from "../../ownership";
import type { Context, Resource } from "../../resource";
import { UNKNOWN } from "../../wire";
import { bring, buildHere } from "../shared/closures";
import { requireMachine } from "../shared/fields";
import { isFormerName, renameHint } from "../shared/renamed";
import { confirmBoot, rebootSystem, settleFailedBoot } from "./nixosSystemBoot";
import { explainSystem, needsReboot, planSystem } from "./nixosSystemExplain";
import { nextStep } from "./nixosSystemPlan";
import { refuseReboot } from "./nixosSystemReboot";
import { makeDefault, switchSystem } from "./nixosSystemSwitch";
import type { SwitchTask } from "./nixosSystemSwitch";
import { inputs, outputs, stateOf } from "./nixosSystemState";
import type { Inputs, State } from "./nixosSystemState";

/** Runs steps until nothing is left to do. Each step returns the facts of the host after it. */
async function runSteps(task: SwitchTask): Promise<State> {
  const { context, wanted, target } = task;
  let facts = await target.read(context);
  let isBuilt = false;
  for (;;) {
    const state = stateOf(facts, context);
    const step = nextStep(facts, wanted, state.ownership === "owned");
    if (step === "reboot") refuseReboot(context, wanted, facts);
    if (!isBuilt && (step === "switch" || step === "reboot")) {
      await buildVms(task);
      isBuilt = true;
    }
    switch (step) {
      case "switch":
        if (state.toplevel !== wanted.toplevel) {
          const closure = { drvPath: wanted.drvPath, outPath: wanted.toplevel };
          const { host, build, buildTimeoutSeconds: seconds } = wanted;
          await bring(context, { host, build, seconds, name: `the system of ${host}` }, [closure]);
        }
        facts = await inHostTurn(task, () => switchSystem(task));
        break;
      case "reboot":
        facts = await inHostTurn(task, () => rebootSystem(task, facts));
        break;
      case "confirm":
        facts = await confirmBoot(task);
        break;
      case "settle":
        return settleFailedBoot(task);
      case "default":
        facts = await makeDefault(task);
        break;
      case "done":
        return state;
    }
  }
}

/** Builds the VMs first, so that a failing build is found before a reboot: docs/decisions/0007. */
async function buildVms({ context, wanted }: SwitchTask): Promise<void> {
  if (wanted.build === "host" || wanted.vmDerivations.length === 0) return;
  const { host, buildTimeoutSeconds: seconds } = wanted;
  const to = { host, seconds, name: `the VMs of ${host}` };
  await buildHere(context, to, wanted.vmDerivations);
}

function inHostTurn(task: SwitchTask, work: () => Promise<HostFacts>): Promise<HostFacts> {
  const { context, wanted } = task;
  const { waitTimeoutSeconds } = context.pool.configOf(wanted.host);
  const wait = new Wait(wanted.host, within(context, waitTimeoutSeconds));
  return context.pool.trials.run(wanted.host, wait, work, context.status);
}

function tell(context: Context, wanted: Inputs, state: State): void {
  const rolledBack = state.rolledBack;
  if (rolledBack !== "") {
    context.log.warning(
      context.urn,
      `${wanted.host}: the switch to ${rolledBack} failed and was rolled back`,
    );
  }
  if (state.rebootRequired && wanted.rebootPolicy === "never") {
    context.log.warning(
      context.urn,
      `${wanted.host}: reboot required: ` +
        `the booted kernel, initrd or kernel modules are not those of ${state.toplevel}`,
    );
  }
}

export const nixosSystem: Resource<Inputs, State> = {
  type: "NixosSystem",
  description:
    "The NixOS system of a hypervisor. After a switch the provider must reach the host through a " +
    "new login. Otherwise the host rolls back and the update fails. A switch does not stop " +
    "running VMs. Removing the resource leaves the system in place.",
  inputs,
  outputs,
  // The inputs limit each step.
  timeoutSeconds: 3600,
  immutable: { host: "If the machine was renamed, set renamedFrom to its old name." },
  formerName: ({ renamedFrom }) => renamedFrom,
  isRenamed: isFormerName,
  incidental: [
    "renamedFrom",
    "drvPath",
    "build",
    "switchTimeoutSeconds",
    "confirmTimeoutSeconds",
    "bootTimeoutSeconds",
    "buildTimeoutSeconds",
    "stopOrder",
    "vmDerivations",
    "packages",
    "bootHash",
  ],
  mirrored: ["toplevel"],
  id: (wanted) => wanted.host,

  drift(state, wanted) {
    return [
      ...(state.ownership === "owned" ? [] : ["ownership"]),
      ...(state.status === "ready" ? [] : ["status"]),
      ...(state.profile === wanted.toplevel ? [] : ["profile"]),
      ...(state.rebootRequired && wanted.rebootPolicy === "ifRequired" ? ["rebootRequired"] : []),
    ];
  },

  predict: (wanted, state) => ({
    machineId: state?.machineId ?? UNKNOWN,
    toplevel: wanted.toplevel,
    booted: state?.booted ?? UNKNOWN,
    profile: wanted.toplevel,
    rebootRequired: state?.toplevel === wanted.toplevel ? state.rebootRequired : UNKNOWN,
    status: "ready",
    rolledBack: "",
    ownership: "owned",
  }),

  explain: ({ isNew, inputs, observed, before }) =>
    isNew ? undefined : explainSystem(inputs, observed, before),

  plan: planSystem,

  async observe(context, wanted, recorded) {
    const facts = await context.pool.get(wanted.host).read(context);
    if (recorded !== undefined) requireMachine(facts, wanted.host, recorded.machineId);
    const state = stateOf(facts, context);
    tell(context, wanted, state);
    return state;
  },

  async refuse(context, wanted, observed, _recorded, before) {
    if (observed === undefined) return;
    const former = ownNameOf(observed.ownership, context.urn);
    refuseOthers(
      observed.ownership,
      `${wanted.host}: its NixOS system`,
      former === undefined
        ? "Remove `system` from the hypervisor in one of the two sites."
        : renameHint(wanted.host, former),
    );
    if (observed.toplevel === "") {
      throw new ProviderError(
        "foreign",
        `${wanted.host}: there is no /run/current-system: the host does not run NixOS`,
        "Install NixOS on the host first, or remove `system` from the hypervisor.",
      );
    }
    if (wanted.rebootPolicy === "ifRequired" && needsReboot(wanted, observed, before) === true) {
      refuseReboot(context, wanted, await context.pool.get(wanted.host).read(context));
    }
  },

  owned: (state) => state.ownership === "owned",

  async converge(context, wanted, observed, recorded) {
    const target = context.pool.get(wanted.host);
    const { machineId } = recorded ?? observed ?? (await target.read(context));
    const state = await runSteps({ context, wanted, machineId, target });
    tell(context, wanted, state);
    return state;
  },

  async remove(context, wanted, state) {
    const target = context.pool.get(wanted.host);
    const machineId = state?.machineId ?? (await target.read(context)).machineId;
    const parameters = { switch_seconds: String(wanted.switchTimeoutSeconds) };
    const seconds = wanted.switchTimeoutSeconds;
    await target.operate(context, { script: "system-remove", machineId, parameters, seconds });
  },
};
