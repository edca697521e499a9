/** Takes a member out of the cluster: one that runs, or one that is dead. */
import { isController, isWorker } from "../../../contract/names";
import type { ClusterGuest } from "../../cluster/k0sGuest";
import { drain } from "../../cluster/drain/drain";
import type { Observed } from "../../cluster/observed";
import { votersOf } from "../../cluster/members";
import { awaitCluster } from "../../cluster/waiting";
import { ProviderError } from "../../errors";
import type { Call } from "../../hosts/operations/operation";
import { gate } from "./k0sNodeGate";
import type { NodeCluster } from "./k0sNodeGate";
import { keyOf, listedOf } from "./k0sNodeState";
import type { Inputs } from "./k0sNodeState";

/** k0s's words for a dead member that it can never remove by itself. */
const NO_LEASE = "No k0s controller lease found";
const LEFT = "it left the cluster";

export interface Leaving {
  call: Call & { workSeconds: number };
  cluster: NodeCluster;
  /** Undefined: the guest cannot be reached, or does not run. */
  guest: Pick<ClusterGuest, "stopAndMask"> | undefined;
  /** k0s runs there and takes part in the cluster. Otherwise the member is dead. */
  isAlive: boolean;
  wanted: Inputs;
  pollMs?: number;
}

/** Can be repeated at any point. Nothing of the member's disk is touched. */
export async function leaveCluster(leaving: Leaving): Promise<void> {
  const { call, cluster, guest, isAlive, wanted } = leaving;
  const observed = await cluster.observeAgain(call);
  const { node, etcd } = listedOf(wanted, observed);
  if (etcd?.isJoined === true) await refuseLast(leaving);
  if (isAlive && (node !== undefined || etcd?.isJoined === true)) {
    await gate(leaving, "leave");
    await drainNode(leaving, observed);
    await leaveEtcd(leaving, true);
  }
  await guest?.stopAndMask(call, LEFT);
  // A controller that restarts before it was stopped revokes its leave: k0sproject/k0s#8141.
  await leaveEtcd(leaving, false);
  await removeObjects(leaving);
}

/** Removing the last controller ends the cluster: that is K0sCluster's to do. */
async function refuseLast({ call, cluster, wanted }: Leaving): Promise<void> {
  const voters = votersOf(await cluster.members(call));
  const others = voters.filter(({ name }) => ![wanted.name, wanted.hostName].includes(name));
  if (others.length > 0) return;
  throw new ProviderError(
    "checks",
    `${wanted.name} is the last controller of ${wanted.cluster}`,
    "To end the cluster, remove `cluster` and all roles from the site.",
  );
}

async function drainNode({ call, cluster, wanted }: Leaving, observed: Observed): Promise<void> {
  const { node } = listedOf(wanted, observed);
  if (node === undefined) return;
  call.status(`draining ${wanted.name}`);
  await drain(call, { api: (own) => cluster.api(own), node, rules: cluster.config.drain });
}

/** `isAlive`: k0s on the member takes part, and stops its components. */
async function leaveEtcd(leaving: Leaving, isAlive: boolean): Promise<void> {
  const { call, cluster, wanted, pollMs } = leaving;
  const memberOf = (observed: Observed) => listedOf(wanted, observed).etcd;
  const member = memberOf(await cluster.observeAgain(call));
  if (member?.isJoined !== true) return;
  if (!isAlive) await gate(leaving, "remove");
  const api = await cluster.api(call);
  await api.setLeave(member.name, true);
  let isForced = false;
  await awaitCluster(call, cluster, {
    name: wanted.name,
    what: isAlive ? "it has left etcd" : "k0s removes the dead member, at most 6 minutes",
    seconds: call.workSeconds,
    ...(pollMs !== undefined && { pollMs }),
    is: (observed) => memberOf(observed)?.isJoined !== true,
    why: (observed) => memberOf(observed)?.message ?? "",
    async act(observed) {
      const now = memberOf(observed);
      if (now === undefined) return;
      if (!now.isLeaving) await api.setLeave(now.name, true);
      if (isAlive || isForced || now.message !== NO_LEASE) return;
      isForced = true;
      const survivor = await cluster.survivor(call, keyOf(wanted, observed));
      await survivor.etcdLeave(call, now.peerAddress);
    },
  });
}

async function removeObjects({ call, cluster, wanted }: Leaving): Promise<void> {
  const { hostName, role } = wanted;
  const api = await cluster.api(call);
  if (isController(role)) {
    await api.deleteEtcdMember(hostName);
    await api.deleteControlNode(hostName);
  }
  if (isWorker(role)) await api.deleteNode(hostName);
  cluster.forget();
}
