/** `MicroVm`: a VM in microvm.nix's layout: installed, running or not, and answering. */
import { isIPv4 } from "node:net";
import { z } from "zod";
import { PartialFailure, ProviderError, messageOf } from "../errors";
import type { HostFacts } from "../hosts/facts";
import { parseRecord } from "../hosts/facts";
import { awaitGuest } from "../hosts/guest";
import { makeRecord, ownership } from "../ownership";
import type { Context, Resource } from "../resource";
import { UNKNOWN } from "../wire";
import { memoryDrift, memoryOutputs, memoryState, memoryTargetMiB } from "./memory";
import { host, machineId, name, requireMachine, storePath } from "./fields";

const inputs = z.object({
  host,
  machineId,
  name: name.describe("Name of the VM: /var/lib/microvms/NAME and microvm@NAME.service."),
  runner: storePath.describe("microvm.nix's declaredRunner, valid on the host."),
  toplevel: storePath.describe("The guest's system, valid on the host."),
  address: z
    .string()
    .refine((text) => isIPv4(text), "must be an IPv4 address")
    .describe("The guest's address; its SSH server must answer there when the VM runs."),
  running: z.boolean().default(true).describe("Whether the VM runs. Also kept over a reboot."),
  restart: z
    .string()
    .default("")
    .describe("Any text; a running VM restarts when it changes. Default: empty."),
  memoryTargetMiB,
});
type Inputs = z.infer<typeof inputs>;

const outputs = z.object({
  runner: z.string().describe("Target of the `current` link; empty where there is none."),
  toplevel: z.string().describe("Target of the `toplevel` link; empty where there is none."),
  running: z.boolean().describe("microvm@NAME.service is active."),
  restart: z.string().describe("The recorded restart text."),
  booted: z.string().describe("The runner that the VM was started with; empty when it is stopped."),
  stale: z.boolean().describe("The VM runs another runner than `current`."),
  autostart: z.boolean().describe("The VM is started when the host boots."),
  guestHostKey: z.string().describe("The guest's public SSH host key."),
  ownership: z.string().describe("owned, altered, missing or `owned by URN`."),
  ...memoryOutputs,
});
type State = z.infer<typeof outputs>;

function stateOf(facts: HostFacts, wanted: Inputs, urn: string): State | undefined {
  const text = facts.records.get(`vms/${wanted.name}`);
  const vm = facts.vms.get(wanted.name);
  const installed = vm?.current !== undefined || vm?.hasFlake === true;
  if (text === undefined && !installed) return undefined;
  const record = parseRecord(text);
  const booted = vm?.booted ?? "";
  const runner = vm?.current ?? "";
  return {
    runner,
    toplevel: vm?.toplevel ?? "",
    running: vm?.active === "active",
    restart: typeof record === "object" ? (record.restart ?? "") : "",
    booted,
    stale: booted !== "" && booted !== runner,
    autostart: vm?.autostart ?? false,
    guestHostKey: vm?.hostKey ?? "",
    ownership: ownership(text, urn),
    ...memoryState(vm),
  };
}

function refuse(
  _: Context,
  wanted: Inputs,
  observed: State | undefined,
  recorded: State | undefined,
): void {
  if (observed === undefined) return;
  const what = `${wanted.host}: VM ${wanted.name}`;
  if (observed.ownership.startsWith("owned by ")) {
    throw new ProviderError(
      "owned",
      `${what} belongs to ${observed.ownership.slice("owned by ".length)}`,
      "Remove it from that stack first, or give this one another name.",
    );
  }
  if (observed.ownership === "missing" && recorded === undefined) {
    throw new ProviderError(
      "foreign",
      `${what} exists, and no stack recorded making it; it was left alone`,
      "Give this VM another name, or remove the one that is there.",
    );
  }
}

/** Waits for the guest, and shows the unit's last words when it does not come. */
async function requireGuest(context: Context, wanted: Inputs, state: State): Promise<void> {
  const target = context.pool.get(wanted.host);
  try {
    if (!state.running) throw new ProviderError("guest", `${wanted.name} stopped by itself`);
    const guest = { name: wanted.name, address: wanted.address, hostKey: state.guestHostKey };
    await awaitGuest(target, context, guest);
  } catch (error) {
    const failure = error instanceof Error ? error : new Error(messageOf(error));
    if (context.signal.aborted) throw new PartialFailure(state, failure);
    const tail = await target.journalTail(context, wanted.name).catch(() => []);
    const journal = tail.length === 0 ? "" : `\n  ${tail.join("\n  ")}`;
    throw new PartialFailure(state, new Error(`${failure.message}${journal}`));
  }
}

export const microVm: Resource<Inputs, State> = {
  type: "MicroVm",
  description:
    "A VM in microvm.nix's layout. Installs the runner, starts, stops and restarts it; whatever changes " +
    "restarts this VM and no other. Its volumes and its /etc share stay when it is removed.",
  inputs,
  outputs,
  timeoutSeconds: 600,
  immutable: {
    host: "Moving a VM to another hypervisor is not built yet; make a new one there.",
    machineId: "This is another machine.",
    name: "Make a new VM, and remove this one.",
  },
  mirrored: ["runner", "toplevel", "running", "restart"],
  id: (wanted) => `${wanted.host}/${wanted.name}`,

  drift(state, wanted) {
    return [
      ...(state.ownership === "owned" ? [] : ["ownership"]),
      ...(state.stale ? ["stale"] : []),
      ...(state.autostart === wanted.running ? [] : ["autostart"]),
      ...(state.guestHostKey === "" ? ["guestHostKey"] : []),
      ...memoryDrift(state, wanted),
    ];
  },

  predict: (wanted, state) => ({
    runner: wanted.runner,
    toplevel: wanted.toplevel,
    running: wanted.running,
    restart: wanted.restart,
    booted: wanted.running ? wanted.runner : "",
    stale: false,
    autostart: wanted.running,
    guestHostKey: state === undefined || state.guestHostKey === "" ? UNKNOWN : state.guestHostKey,
    ownership: "owned",
    memoryTargetMiB: wanted.memoryTargetMiB ?? 0,
    memoryPending: false,
  }),

  async observe(context, wanted) {
    const facts = await context.pool.get(wanted.host).read(context);
    requireMachine(facts, wanted.host, wanted.machineId);
    return stateOf(facts, wanted, context.urn);
  },

  refuse,

  async converge(context, wanted, _observed, recorded) {
    const facts = await context.pool.get(wanted.host).operate(context, {
      script: "microvm-apply",
      uses: ["vmm", "memory"],
      machineId: wanted.machineId,
      parameters: {
        name: wanted.name,
        runner: wanted.runner,
        toplevel: wanted.toplevel,
        running: wanted.running ? "yes" : "no",
        restart: `"restart":${JSON.stringify(wanted.restart)}`,
        memory_target: String(wanted.memoryTargetMiB ?? ""),
        known: recorded === undefined ? "no" : "yes",
        record: makeRecord(context.urn, { running: wanted.running, restart: wanted.restart }),
      },
    });
    const state = stateOf(facts, wanted, context.urn);
    if (state === undefined) {
      throw new ProviderError("operation", `${wanted.host}: VM ${wanted.name} was not installed`);
    }
    if (wanted.running) await requireGuest(context, wanted, state);
    return state;
  },

  async remove(context, wanted) {
    await context.pool.get(wanted.host).operate(context, {
      script: "microvm-remove",
      uses: ["memory"],
      machineId: wanted.machineId,
      parameters: { name: wanted.name },
    });
  },
};
