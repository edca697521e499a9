/**
 * The ownership of a host in `Hypervisor`: one stack has it exclusively, or several stacks share
 * it. The records are on the host (hostRecords.ts, scripts/hosts/host-claim.sh).
 * docs/decisions/0009 explains the reasons.
 */
import { z } from "zod";
import { ProviderError } from "../../errors";
import type { HostFacts } from "../../hosts/facts/hostFacts";
import { makeRecord, ownNameOf, ownership, refuseOthers } from "../../ownership";
import type { Owner } from "../../ownership";
import type { Context } from "../../resource";
import {
  EXCLUSIVE,
  claimsDigest,
  hostRecord,
  otherStacks,
  sharedName,
  sharedRecord,
  states,
} from "./hostRecords";
import { renameHint } from "../shared/renamed";
import { conflicts, describeStack } from "./hypervisorWants";
import type { VmWants } from "./hypervisorWants";

/** In a state from before claims existed, while the host has no record. */
const UNCLAIMED = "unclaimed";
/** How often this stack decides again because another stack changed its claim. */
const CLAIM_ATTEMPTS = 5;

export const claimOutputs = {
  ownership: z
    .string()
    .default(UNCLAIMED)
    .describe(
      "owned, renamed, altered, missing or `owned by URN`; unclaimed until its next change.",
    ),
};
type ClaimState = z.infer<z.ZodObject<typeof claimOutputs>>;

/** The claim that a stack wants on the host. */
export interface Claim {
  host: string;
  shared: boolean;
  wants: readonly VmWants[];
}

/** The name of the stack's record, and the name that its record must not have. */
function names(wanted: Claim, urn: string): { name: string; outdated: string } {
  const shared = sharedName(urn);
  return wanted.shared
    ? { name: shared, outdated: EXCLUSIVE }
    : { name: EXCLUSIVE, outdated: shared };
}

function claimOf(facts: HostFacts, owner: Owner, wanted: Claim): string {
  const { urn } = owner;
  const { name, outdated } = names(wanted, urn);
  const found = ownership(hostRecord(facts, name), owner);
  if (wanted.shared) {
    const exclusive = ownership(hostRecord(facts, EXCLUSIVE), owner);
    if (exclusive.startsWith("owned by ")) return exclusive;
    if (found === "owned" && !states(facts, urn, wanted.wants)) return "altered";
  }
  // Both exist if a run was killed while it replaced one of them.
  const isHalfDone = found === "owned" && hostRecord(facts, outdated) !== undefined;
  return isHalfDone ? "altered" : found;
}

export function claimState(
  facts: HostFacts,
  owner: Owner,
  wanted: Claim,
  recorded: ClaimState | undefined,
): ClaimState {
  const claim = claimOf(facts, owner, wanted);
  const asBefore = claim === "missing" && recorded?.ownership === UNCLAIMED;
  return { ownership: asBefore ? UNCLAIMED : claim };
}

export function claimDrift(state: ClaimState): string[] {
  return ["owned", UNCLAIMED].includes(state.ownership) ? [] : ["ownership"];
}

/** Refuses a machine that is in the site under two names, and a host of another stack. */
export function refuseClaimed(context: Context, wanted: Claim, facts: HostFacts): void {
  const { host } = wanted;
  const twin = context.pool.sameMachine(host, facts.machineId);
  if (twin !== undefined) {
    throw new ProviderError(
      "owned",
      `${host} is the same machine as ${twin}: both have the machine-id ${facts.machineId}`,
      `${renameHint(host, twin)} Otherwise remove one of them from the site. ` +
        "If the machines are clones, give each its own machine-id.",
    );
  }
  refuseOtherNames(context, wanted, claimOf(facts, context, wanted));
  const others = otherStacks(host, facts, context.urn);
  if (wanted.shared) refuseConflicts(host, conflicts(wanted.wants, others));
  else if (others.length > 0) {
    throw new ProviderError(
      "owned",
      `${host}: this host is shared by ${others.map(({ urn }) => describeStack(urn)).join(", ")}`,
      "Set shared: true for the hypervisor in this site too, " +
        "or remove the host from the sites of the other stacks.",
    );
  }
}

/** `found`: the ownership of the claim. */
function refuseOtherNames({ urn }: Context, { host, shared }: Claim, found: string): void {
  const former = ownNameOf(found, urn);
  const ofThisStack =
    former === undefined
      ? undefined
      : `This stack knows the host as ${former}. ${renameHint(host, former)} ` +
        `Otherwise give ${host} the address of another machine.`;
  const exclusive = shared
    ? "Set shared: true for the hypervisor in the site of that stack, and run up there first."
    : "Remove the host from one of the two sites, and run up there first. " +
      "Or set shared: true for it in both.";
  const ofOther =
    `${exclusive} If that stack will never be used again, ` +
    "remove /var/lib/pulumi-microvm/hosts/host.json on the host.";
  refuseOthers(found, `${host}: this host`, ofThisStack ?? ofOther);
}

function refuseConflicts(host: string, lines: readonly string[]): void {
  if (lines.length === 0) return;
  throw new ProviderError(
    "owned",
    `${host}: other stacks use resources that this site wants; nothing was changed:\n` +
      `  - ${lines.join("\n  - ")}`,
    "Change it in one of the sites. If it is free in the other site already, run up there first.",
  );
}

/**
 * Refuses a host that has lost all our records. If /var/lib is a disk that is not mounted, `up`
 * would create empty volumes.
 */
export function refuseEmptied(
  wanted: Claim,
  facts: HostFacts,
  recorded: ClaimState | undefined,
): void {
  const held = recorded !== undefined && recorded.ownership !== UNCLAIMED;
  const hasVolumes = wanted.wants.some(({ volumes }) => volumes.length > 0);
  if (!held || !hasVolumes || facts.records.size > 0) return;
  throw new ProviderError(
    "data-loss",
    `${wanted.host}: all records on the host are missing: /var/lib/pulumi-microvm is empty; ` +
      "nothing was changed",
    "Check whether the disk of /var/lib is mounted. If the host was reinstalled on purpose, " +
      "set forget: true for it, run up, and remove forget.",
  );
}

/**
 * Records the claim. `decide` throws if the facts do not allow it. Under the lock, the host
 * compares the current claims with those of the decision. If another stack was faster, this stack
 * decides again.
 */
export async function claim(
  context: Context,
  wanted: Claim,
  decide: (facts: HostFacts) => void,
): Promise<HostFacts> {
  const host = context.pool.get(wanted.host);
  for (let attempt = 1; ; attempt++) {
    const facts = await host.read(context);
    decide(facts);
    if (claimOf(facts, context, wanted) === "owned") return facts;
    try {
      return await host.operate(context, claimOperation(context, wanted, facts));
    } catch (error) {
      const isStale = error instanceof ProviderError && error.reason === "stale";
      if (!isStale || attempt === CLAIM_ATTEMPTS) throw error;
    }
  }
}

function claimOperation(context: Context, wanted: Claim, facts: HostFacts) {
  const { urn, workSeconds: seconds } = context;
  const { name, outdated } = names(wanted, urn);
  const record = wanted.shared ? sharedRecord(facts, urn, wanted.wants) : makeRecord(urn, {});
  const parameters = { record, name, outdated, seen: claimsDigest(facts) };
  return { script: "host-claim", machineId: facts.machineId, parameters, seconds };
}

/** On a reinstalled machine without our claim, nothing is left to do. */
export async function release(context: Context, hostName: string): Promise<void> {
  const host = context.pool.get(hostName);
  const facts = await host.read(context);
  const shared = sharedName(context.urn);
  const isOurs = (name: string): boolean =>
    ["owned", "renamed", "altered"].includes(ownership(hostRecord(facts, name), context));
  if (![EXCLUSIVE, shared].some(isOurs)) return;
  const { machineId } = facts;
  const seconds = context.workSeconds;
  const parameters = { shared };
  await host.operate(context, { script: "host-release", machineId, parameters, seconds });
}
