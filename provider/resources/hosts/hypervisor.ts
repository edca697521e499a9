/** `Hypervisor`: checks that a host is fit for VMs, and records whose it is. It changes nothing else there. */
import { z } from "zod";
import { CHECK_NAMES as CHECKS, forEachCheck } from "../../../contract/names";
import type { CheckMode, CheckName } from "../../../contract/names";
import { ProviderError } from "../../errors";
import type { HostFacts } from "../../hosts/facts/hostFacts";
import type { Resource } from "../../resource";
import { UNKNOWN, toMap } from "../../wire";
import {
  absolutePath,
  host,
  importable,
  interfaceName,
  notAnId,
  renamedFrom,
  requireMachine,
  storePath,
} from "../shared/fields";
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

const mode = z.enum(["require", "warn", "off"]);
const checkModes = z.object(forEachCheck(() => mode.default("require")));

const inputs = z.object({
  host,
  renamedFrom,
  endpoint: z
    .string()
    .default("")
    .describe("How the host is reached, for people and the diff; a change is tried at once."),
  bridge: interfaceName.describe("The bridge that VMs are attached to."),
  nic: interfaceName.describe("The physical card that must be enslaved to the bridge."),
  memoryMiB: z.int().min(0).default(0).describe("Memory that all VMs of the site want here."),
  diskMiB: z.int().min(0).default(0).describe("Disk space that all volumes of the site want here."),
  images: z.array(absolutePath).default([]).describe("Their images."),
  system: storePath
    .optional()
    .describe("The NixOS system that is to run here: what the checks are about once it does."),
  checks: checkModes
    .default(forEachCheck(() => "require" as const))
    .describe("Per check: require (default) stops, warn only tells, off does not look."),
});
type Inputs = z.infer<typeof inputs>;

const verdict = z.enum(["ok", "failed", "off"]);
const outputs = z.object({
  machineId: z.string().describe("/etc/machine-id, recorded at first contact."),
  hostname: z.string(),
  verdicts: z.record(z.string(), verdict).describe("Check -> ok, failed or off."),
  ...claimOutputs,
});
type State = z.infer<typeof outputs>;

function findings(facts: HostFacts, wanted: Inputs, check: CheckName): Finding[] {
  return wanted.checks[check] === "off" ? [] : CHECK[check](facts, wanted);
}

function stateOf(
  facts: HostFacts,
  wanted: Inputs,
  urn: string,
  recorded: State | undefined,
): State {
  const verdictOf = (check: CheckName): Verdict => {
    if (wanted.checks[check] === "off") return "off";
    return findings(facts, wanted, check).length === 0 ? "ok" : "failed";
  };
  return {
    machineId: facts.machineId,
    hostname: facts.hostname,
    verdicts: Object.fromEntries(CHECKS.map((check) => [check, verdictOf(check)])),
    ...claimState(facts, urn, recorded),
  };
}

/** All findings of one mode, as lines: `bridge: br0 is down. Remedy: ip link set br0 up`. */
function report(facts: HostFacts, wanted: Inputs, which: CheckMode): string[] {
  return CHECKS.filter((check) => wanted.checks[check] === which).flatMap((check) =>
    findings(facts, wanted, check).map(
      ({ what, remedy }) => `${check}: ${what}. Remedy: ${remedy}`,
    ),
  );
}

/** Before its system runs, a host need not be fit: that system may bring what is missing. */
function isDue(facts: HostFacts, wanted: Inputs): boolean {
  return wanted.system === undefined || facts.system.current === wanted.system;
}

function requireDue(facts: HostFacts, wanted: Inputs): void {
  if (isDue(facts, wanted)) return;
  throw new ProviderError(
    "checks",
    `${wanted.host}: ${facts.system.current} runs, and the checks wait for ${wanted.system ?? ""}`,
    "Run up again.",
  );
}

/** As systemd and the kernel name cards, and bonds of them. */
const CARD = /^(en|eth|ib|bond|team)/;

/** The bridge that leads out of the host: beside it there are those of libvirt and of containers. */
function requireUplink(facts: HostFacts, id: string): Pick<Inputs, "bridge" | "nic"> {
  const all = [...facts.bridges].flatMap(([bridge, { ports }]) =>
    ports.map((nic) => ({ bridge, nic })),
  );
  const uplink = all.find(({ nic }) => CARD.test(nic)) ?? all[0];
  if (uplink !== undefined) return uplink;
  throw new ProviderError(
    "foreign",
    `${id} can't be imported as it is: it has no bridge with a card as its port`,
    "Leave it to up: a hypervisor needs no import.",
  );
}

export const hypervisor: Resource<Inputs, State> = {
  type: "Hypervisor",
  description:
    "A host that runs microVMs. Checks KVM, libvirtd, the bridge, units, Nix, clock, memory and disk; all " +
    "failing checks come in one error. Records on the host whose it is, and changes nothing else.",
  inputs,
  outputs,
  timeoutSeconds: 120,
  immutable: { host: "A host keeps its name; add the new one and move VMs." },
  incidental: ["renamedFrom"],
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

  async observe(context, wanted, recorded) {
    const facts = await context.pool.get(wanted.host).read(context);
    if (recorded !== undefined) requireMachine(facts, wanted.host, recorded.machineId);
    context.pool.sameMachine(wanted.host, facts.machineId);
    for (const line of report(facts, wanted, "warn")) {
      context.log.warning(context.urn, `${wanted.host}: ${line}`);
    }
    return stateOf(facts, wanted, context.urn, recorded);
  },

  async refuse(context, wanted, _observed, recorded) {
    const facts = await context.pool.get(wanted.host).read(context);
    refuseClaimed(context, wanted.host, facts);
    refuseEmptied(wanted.host, facts, wanted.images, recorded);
    if (!isDue(facts, wanted)) return;
    const failing = report(facts, wanted, "require");
    if (failing.length === 0) return;
    throw new ProviderError(
      "checks",
      `${wanted.host} is not ready for VMs; nothing was changed:\n  - ${failing.join("\n  - ")}`,
    );
  },

  owned: (state) => state.ownership === "owned",

  async converge(context, wanted, _observed, recorded) {
    const facts = await context.pool.get(wanted.host).read(context);
    requireDue(facts, wanted);
    const claimed = await claim(context, wanted.host, facts);
    return stateOf(claimed, wanted, context.urn, recorded);
  },

  remove: (context, wanted) => release(context, wanted.host),

  async find(context, id) {
    if (!host.safeParse(id).success) throw notAnId(id, "the hypervisor's name");
    const facts = await context.pool.get(id).read(context);
    const wanted = importable(inputs, { host: id, ...requireUplink(facts, id) }, id);
    return { inputs: wanted, state: stateOf(facts, wanted, context.urn, undefined) };
  },
};
