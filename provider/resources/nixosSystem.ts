/** `NixosSystem`: the host's own system: activated on trial, confirmed by a new login, else rolled back. */
import { ProviderError } from "../errors";
import type { Context, Resource } from "../resource";
import { UNKNOWN } from "../wire";
import { bring } from "./closures";
import { requireMachine } from "./fields";
import { makeDefault, switchSystem } from "./nixosSystemSwitch";
import type { Job } from "./nixosSystemSwitch";
import { inputs, outputs, stateOf } from "./nixosSystemState";
import type { Inputs, State } from "./nixosSystemState";

/** Does it run, and was it seen to? What is left then is the default of the next boot. */
function isSettled(state: State, wanted: Inputs): boolean {
  return (
    state.toplevel === wanted.toplevel &&
    state.ownership === "owned" &&
    (state.status === "ready" || state.status === "confirmed")
  );
}

function tell(context: Context, wanted: Inputs, state: State): void {
  const rolledBack = state.rolledBack;
  if (rolledBack !== "") {
    context.log.warning(context.urn, `${wanted.host}: ${rolledBack} was tried and rolled back`);
  }
  if (state.rebootRequired && wanted.rebootPolicy === "never") {
    context.log.warning(
      context.urn,
      `${wanted.host}: reboot required: its kernel, initrd or kernel modules are not those of ${state.toplevel}`,
    );
  }
}

export const nixosSystem: Resource<Inputs, State> = {
  type: "NixosSystem",
  description:
    "The NixOS system of a hypervisor. A switch is kept only when the provider can log in anew behind it; otherwise " +
    "the host goes back by itself, and the operation has failed. Running VMs are left alone. It stays on removal.",
  inputs,
  outputs,
  timeoutSeconds: 3600,
  immutable: { host: "A host keeps its name; add the new one." },
  incidental: [
    "drvPath",
    "build",
    "switchTimeoutSeconds",
    "confirmTimeoutSeconds",
    "bootTimeoutSeconds",
    "stopOrder",
  ],
  mirrored: ["toplevel"],
  id: (wanted) => wanted.host,

  drift(state, wanted) {
    return [
      ...(state.ownership === "owned" ? [] : ["ownership"]),
      ...(state.status === "ready" ? [] : ["status"]),
      ...(state.profile === wanted.toplevel ? [] : ["profile"]),
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

  async observe(context, wanted, recorded) {
    const facts = await context.pool.get(wanted.host).read(context);
    if (recorded !== undefined) requireMachine(facts, wanted.host, recorded.machineId);
    const state = stateOf(facts, context.urn);
    tell(context, wanted, state);
    return state;
  },

  refuse(_, wanted, observed) {
    if (observed === undefined) return;
    if (observed.ownership.startsWith("owned by ")) {
      throw new ProviderError(
        "owned",
        `${wanted.host}: its NixOS system belongs to ${observed.ownership.slice("owned by ".length)}`,
        "Take `system` from the hypervisor in one of the two sites.",
      );
    }
    if (observed.toplevel === "") {
      throw new ProviderError(
        "foreign",
        `${wanted.host}: there is no /run/current-system: it does not run NixOS`,
        "Install NixOS there first, or take `system` from the hypervisor.",
      );
    }
  },

  owned: (state) => state.ownership === "owned",

  async converge(context, wanted, observed, recorded) {
    const before = observed ?? recorded;
    if (before === undefined)
      throw new ProviderError("operation", `${wanted.host}: nothing is known`);
    const { machineId } = before;
    const job: Job = { context, wanted, machineId, target: context.pool.get(wanted.host) };
    if (!isSettled(before, wanted)) {
      if (before.toplevel !== wanted.toplevel) {
        await bring(context, wanted, [{ drvPath: wanted.drvPath, outPath: wanted.toplevel }]);
      }
      await switchSystem(job);
    }
    return stateOf(await makeDefault(job), context.urn);
  },

  async remove(context, wanted, state) {
    const target = context.pool.get(wanted.host);
    const machineId = state?.machineId ?? (await target.read(context)).machineId;
    const parameters = { switch_seconds: String(wanted.switchTimeoutSeconds) };
    await target.operate(context, { scripts: ["system", "system-remove"], machineId, parameters });
  },
};
