/** The end of a cluster: k0s stops on all members. Disks are not touched, the API is not asked. */
import { ProviderError } from "../../errors";
import { parseRecord } from "../../hosts/facts/record";
import { isStopped } from "../../hosts/facts/vmFacts";
import type { Context } from "../../resource";
import { guestOf, see } from "./clusterView";
import { DESTROYED } from "./k0sClusterFounding";
import type { Inputs, Member } from "./k0sClusterState";

const RELEASE_SECONDS = 60;

export async function removeCluster(context: Context, { name, members }: Inputs): Promise<void> {
  const all = Object.entries(members);
  const stopped = all.map(([vm, member]) => stopMember(context, vm, member));
  // The others stop also if one fails.
  await Promise.allSettled(stopped);
  await Promise.all(stopped);
  const hosts = [...new Set(all.map(([, { host }]) => host))];
  await Promise.all(hosts.map((host) => releaseFounder(context, host, name)));
}

/** A guest that is gone, or that is being removed meanwhile, needs nothing. */
async function stopMember(context: Context, name: string, member: Member): Promise<void> {
  const seen = await see(context, name, member);
  switch (seen.absence) {
    case "no VM":
    case "stopped":
    case "no k0s":
      return;
    case "not contacted":
      context.log.info(
        context.urn,
        `${name}: ${member.host} is not contacted; k0s was not stopped`,
      );
      return;
    case "silent":
      return requireGone(context, name, member, seen.error);
    case undefined:
      if (seen.k0s?.stopped !== undefined && seen.k0s.unit !== "active") return;
      try {
        await guestOf(context, seen).stopAndMask(context, DESTROYED);
      } catch (error) {
        await requireGone(context, name, member, error);
      }
  }
}

/** A guest that runs and does not answer is an error: its k0s may still run. */
async function requireGone(
  context: Context,
  name: string,
  { host }: Member,
  error: unknown,
): Promise<void> {
  if (context.signal.aborted) throw error;
  const facts = await context.pool.get(host).read(context);
  if (isStopped(facts.vms.get(name))) return;
  if (!(error instanceof ProviderError)) throw error;
  const { reason, what, remedy } = error;
  throw new ProviderError(
    reason,
    `${name} runs, and k0s could not be stopped there: ${what}`,
    remedy ?? `Repair it, or stop microvm@${name} on ${host}, then run again.`,
  );
}

async function releaseFounder(context: Context, host: string, name: string): Promise<void> {
  if (context.pool.closed(host) !== undefined) return;
  const hypervisor = context.pool.get(host);
  const { records, machineId } = await hypervisor.read(context);
  if (parseRecord(records.get(`clusters/${name}`)) === undefined) return;
  const operation = { script: "cluster-release", machineId, seconds: RELEASE_SECONDS };
  await hypervisor.operate(context, { ...operation, parameters: { name } });
}
