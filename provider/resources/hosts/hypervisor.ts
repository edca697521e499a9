/**
 * `Hypervisor`: checks whether a host can run VMs, and claims it. It changes nothing else there.
 */
import { z } from "zod";
import { CHECK_NAMES as CHECKS, forEachCheck } from "../../../contract/names";
import type { CheckMode, CheckName } from "../../../contract/names";
import { ProviderError } from "../../errors";
import type { HostFacts } from "../../hosts/facts/hostFacts";
import type { Owner } from "../../ownership";
import type { Context, Resource } from "../../resource";
import { UNKNOWN, toMap } from "../../wire";
import {
  host,
  importable,
  interfaceName,
  name,
  notAnId,
  renamedFrom,
  requireMachine,
  storePath,
} from "../shared/fields";
import { otherStacks, vmsOf } from "./hostRecords";
import { isFormerName } from "../shared/renamed";
import { refuseHeldAddresses } from "./heldAddresses";
import { CHECK } from "./hypervisorChecks";
import {
  claim,
  claimDrift,
  claimOutputs,
  claimState,
  refuseClaimed,
  refuseEmptied,
  release,
} from "./hypervisorClaim";
import type { Finding, Verdict } from "./hypervisorChecks";
import { vmWants } from "./hypervisorWants";

const mode = z.enum(["require", "warn", "off"]).meta({ id: "CheckMode" });
const checkModes = z.object(forEachCheck(() => mode.default("require"))).meta({ id: "CheckModes" });

const inputs = z.object({
  host,
  renamedFrom,
  endpoint: z
    .string()
    .default("")
    .describe("How the host is reached, for reviewers. The provider uses its own configuration."),
  bridge: interfaceName.describe("The bridge that VMs are attached to."),
  nic: interfaceName.describe("The physical card that must be enslaved to the bridge."),
  shared: z
    .boolean()
    .default(false)
    .describe("true: other stacks may use this host too. Each must set it. Default: false."),
  wants: z
    .array(vmWants)
    .default([])
    .describe("The VMs of this site on this host, for the checks and the claim. Default: none."),
  renamedVms: z
    .record(name, name)
    .default({})
    .describe("VM -> the name that it had before. Default: none."),
  system: storePath
    .optional()
    .describe("The NixOS system that this host must run before the checks apply."),
  checks: checkModes
    .default(forEachCheck(() => "require" as const))
    .describe("Per check: require (default) stops, warn only logs, off skips it."),
});
type Inputs = z.infer<typeof inputs>;

const verdict = z.enum(["ok", "failed", "off"]).meta({ id: "Verdict" });
const outputs = z.object({
  machineId: z.string().describe("/etc/machine-id, recorded at first contact."),
  hostname: z.string(),
  verdicts: z.record(z.string(), verdict).describe("Check -> ok, failed or off."),
  ...claimOutputs,
});
type State = z.infer<typeof outputs>;

/** The input of the checks. On a shared host it includes the wants of other stacks. */
interface Wishes extends Inputs {
  urn: string;
}

function findings(facts: HostFacts, wanted: Wishes, check: CheckName): Finding[] {
  if (wanted.checks[check] === "off") return [];
  const { bridge, nic, wants: own } = wanted;
  const others = wanted.shared ? otherStacks(wanted.host, facts, wanted.urn) : [];
  return CHECK[check](facts, { bridge, nic, own, others });
}

function stateOf(
  facts: HostFacts,
  wanted: Inputs,
  owner: Owner,
  recorded: State | undefined,
): State {
  const verdictOf = (check: CheckName): Verdict => {
    if (wanted.checks[check] === "off") return "off";
    return findings(facts, { ...wanted, urn: owner.urn }, check).length === 0 ? "ok" : "failed";
  };
  return {
    machineId: facts.machineId,
    hostname: facts.hostname,
    verdicts: Object.fromEntries(CHECKS.map((check) => [check, verdictOf(check)])),
    ...claimState(facts, owner, wanted, recorded),
  };
}

/** The findings of all checks with one mode: `bridge: br0 is down. Remedy: ip link set br0 up`. */
function report(facts: HostFacts, wanted: Wishes, which: CheckMode): string[] {
  return CHECKS.filter((check) => wanted.checks[check] === which).flatMap((check) =>
    findings(facts, wanted, check).map(
      ({ what, remedy }) => `${check}: ${what}. Remedy: ${remedy}`,
    ),
  );
}

/** The checks apply only after the wanted system runs, because it may provide what is missing. */
function isDue(facts: HostFacts, wanted: Inputs): boolean {
  return wanted.system === undefined || facts.system.current === wanted.system;
}

/** Throws if anything prevents VMs on this host, including conflicts with other stacks. */
function refuse(
  context: Context,
  wanted: Inputs,
  facts: HostFacts,
  recorded: State | undefined,
): void {
  refuseClaimed(context, wanted, facts);
  refuseEmptied(wanted, facts, recorded);
  if (!isDue(facts, wanted)) return;
  const failing = report(facts, { ...wanted, urn: context.urn }, "require");
  if (failing.length === 0) return;
  throw new ProviderError(
    "checks",
    `${wanted.host} is not ready for VMs; nothing was changed:\n  - ${failing.join("\n  - ")}`,
  );
}

function requireDue(facts: HostFacts, wanted: Inputs): void {
  if (isDue(facts, wanted)) return;
  throw new ProviderError(
    "checks",
    `${wanted.host}: the checks wait for ${wanted.system ?? ""}; ${facts.system.current} runs`,
    "Run up again.",
  );
}

/** Names of network cards and bonds, as systemd and the kernel choose them. */
const CARD = /^(en|eth|ib|bond|team)/;

/** Finds the bridge to the LAN. libvirt and containers may have other bridges. */
function requireUplink(facts: HostFacts, id: string): Pick<Inputs, "bridge" | "nic"> {
  const all = [...(facts.bridges ?? [])].flatMap(([bridge, { ports }]) =>
    ports.map((nic) => ({ bridge, nic })),
  );
  const uplink = all.find(({ nic }) => CARD.test(nic)) ?? all[0];
  if (uplink !== undefined) return uplink;
  throw new ProviderError(
    "foreign",
    `${id} can't be imported as it is: it has no bridge with a card as its port`,
    "Remove the import: the next up adopts the hypervisor.",
  );
}

async function explainLeft(context: Context, wanted: Inputs): Promise<string | undefined> {
  const facts = await context.pool.get(wanted.host).read(context);
  const names = wanted.wants.map(({ name }) => name);
  const stated = new Set([...names, ...Object.values(wanted.renamedVms)]);
  const left = vmsOf(facts, context.urn).filter((vm) => !stated.has(vm));
  if (left.length === 0) return undefined;
  return (
    `${wanted.host}: this stack has VMs there that the site does not have there: ` +
    `${left.join(", ")}. They stay as they are. To remove them, add them to the site, run up, ` +
    "and take them out again"
  );
}

function explainRename(wanted: Inputs, before: Inputs | undefined): string | undefined {
  return before !== undefined && before.host === wanted.renamedFrom
    ? `${wanted.host}: renamed from ${before.host}: on the host only its record changes`
    : undefined;
}

export const hypervisor: Resource<Inputs, State> = {
  type: "Hypervisor",
  description:
    "A host that runs microVMs. Checks KVM, libvirtd, the bridge, units, Nix, clock, memory and " +
    "disk; one error reports all failing checks. Records on the host which stacks use it, and " +
    "changes nothing else.",
  inputs,
  outputs,
  timeoutSeconds: 120,
  immutable: { host: "If the machine was renamed, set renamedFrom to its old name." },
  formerName: ({ renamedFrom }) => renamedFrom,
  isRenamed: isFormerName,
  incidental: ["renamedFrom", "renamedVms"],
  mirrored: [],
  id: (wanted) => wanted.host,

  drift(state, wanted) {
    const failed = CHECKS.filter(
      (check) => wanted.checks[check] === "require" && state.verdicts[check] === "failed",
    );
    return [...failed.map((check) => `verdicts.${check}`), ...claimDrift(state)];
  },

  predict(wanted, state) {
    const before =
      state === undefined
        ? { machineId: UNKNOWN, hostname: UNKNOWN, verdicts: UNKNOWN }
        : toMap(state);
    const verdicts = wanted.system === undefined ? before["verdicts"] : UNKNOWN;
    return { ...before, verdicts: verdicts ?? UNKNOWN, ownership: "owned" };
  },

  explain: ({ isNew, inputs, before }, context) =>
    isNew ? explainLeft(context, inputs) : explainRename(inputs, before),

  async observe(context, wanted, recorded) {
    const facts = await context.pool.get(wanted.host).read(context);
    if (recorded !== undefined) requireMachine(facts, wanted.host, recorded.machineId);
    context.pool.sameMachine(wanted.host, facts.machineId);
    for (const line of report(facts, { ...wanted, urn: context.urn }, "warn")) {
      context.log.warning(context.urn, `${wanted.host}: ${line}`);
    }
    return stateOf(facts, wanted, context, recorded);
  },

  async refuse(context, wanted, _observed, recorded, before) {
    refuse(context, wanted, await context.pool.get(wanted.host).read(context), recorded);
    await refuseHeldAddresses(context, wanted, before);
  },

  owned: (state) => state.ownership === "owned",

  async converge(context, wanted, _observed, recorded) {
    const claimed = await claim(context, wanted, (facts) => {
      refuse(context, wanted, facts, recorded);
      requireDue(facts, wanted);
    });
    return stateOf(claimed, wanted, context, recorded);
  },

  remove: (context, wanted) => release(context, wanted.host),

  async find(context, id) {
    if (!host.safeParse(id).success) throw notAnId(id, "the hypervisor's name");
    const facts = await context.pool.get(id).read(context);
    const wanted = importable(inputs, { host: id, ...requireUplink(facts, id) }, id);
    return { inputs: wanted, state: stateOf(facts, wanted, context, undefined) };
  },
};
