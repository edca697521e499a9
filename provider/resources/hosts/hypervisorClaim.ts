/**
 * The part of `Hypervisor` that is about whose host it is: one stack's, by a record on the host
 * (scripts/host-claim.sh). docs/decisions/0009 says why.
 */
import { z } from "zod";
import { ProviderError } from "../../errors";
import type { HostFacts } from "../../hosts/facts/hostFacts";
import { makeRecord, ownership, refuseOthers } from "../../ownership";
import type { Owner } from "../../ownership";
import type { Context } from "../../resource";

/** In a state from before hosts were claimed, as long as the host has no record. */
const UNCLAIMED = "unclaimed";

export const claimOutputs = {
  ownership: z
    .string()
    .default(UNCLAIMED)
    .describe(
      "owned, renamed, altered, missing or `owned by URN`; unclaimed until its next change.",
    ),
};
type ClaimState = z.infer<z.ZodObject<typeof claimOutputs>>;

function claimOf(facts: HostFacts, owner: Owner): string {
  return ownership(facts.records.get("hosts/host"), owner);
}

export function claimState(
  facts: HostFacts,
  owner: Owner,
  recorded: ClaimState | undefined,
): ClaimState {
  const claim = claimOf(facts, owner);
  const asBefore = claim === "missing" && recorded?.ownership === UNCLAIMED;
  return { ownership: asBefore ? UNCLAIMED : claim };
}

export function claimDrift(state: ClaimState): string[] {
  return ["owned", UNCLAIMED].includes(state.ownership) ? [] : ["ownership"];
}

/** Refuses a host of another stack, and one that stands in the site under two names. */
export function refuseClaimed(context: Context, hostName: string, facts: HostFacts): void {
  const twin = context.pool.sameMachine(hostName, facts.machineId);
  if (twin !== undefined) {
    throw new ProviderError(
      "owned",
      `${hostName} is the same machine as ${twin}: both have the machine-id ${facts.machineId}`,
      "Leave one of them in the site. Machines that were cloned each need a machine-id of their own.",
    );
  }
  refuseOthers(
    claimOf(facts, context),
    `${hostName}: this host`,
    "Take the host from one of the two sites, and run up there first. Only if that stack is gone for good: remove /var/lib/pulumi-microvm/hosts/host.json on the host.",
  );
}

/**
 * A host that held records of ours and has none at all: where /var/lib is a disk that was not mounted, up would make
 * empty volumes.
 */
export function refuseEmptied(
  hostName: string,
  facts: HostFacts,
  images: readonly string[],
  recorded: ClaimState | undefined,
): void {
  const held = recorded !== undefined && recorded.ownership !== UNCLAIMED;
  if (!held || images.length === 0 || facts.records.size > 0) return;
  throw new ProviderError(
    "data-loss",
    `${hostName}: nothing of what was recorded on it is there: /var/lib/pulumi-microvm is empty; nothing was changed`,
    "Is the disk of /var/lib mounted? If the host was reinstalled on purpose, remove it from the site, run up, and add it again.",
  );
}

export async function claim(
  context: Context,
  hostName: string,
  facts: HostFacts,
): Promise<HostFacts> {
  if (claimOf(facts, context) === "owned") return facts;
  return context.pool.get(hostName).operate(context, {
    script: "host-claim",
    machineId: facts.machineId,
    parameters: { record: makeRecord(context.urn, {}) },
    seconds: context.workSeconds,
  });
}

/** Where there is no claim of ours, also on a machine that was installed anew, there is nothing to do. */
export async function release(context: Context, hostName: string): Promise<void> {
  const host = context.pool.get(hostName);
  const facts = await host.read(context);
  if (!["owned", "renamed", "altered"].includes(claimOf(facts, context))) return;
  const { machineId } = facts;
  const seconds = context.workSeconds;
  await host.operate(context, { script: "host-release", machineId, parameters: {}, seconds });
}
