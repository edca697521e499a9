/**
 * `K0sNode`: one member of the cluster. Observed by the lists of the cluster's API, which all nodes
 * share. Its guest is only contacted when the member joins, comes back or leaves.
 */
import { isController } from "../../../contract/names";
import { remedyOf } from "../../../contract/promises";
import type { ClusterAccess } from "../../cluster/access";
import { CORDONED, uncordon } from "../../cluster/drain/drain";
import type { ClusterGuest } from "../../cluster/k0sGuest";
import type { KubeNode } from "../../cluster/kube/objects";
import { isConflict, translating } from "../../cluster/kube/failure";
import { marksPatch } from "../../cluster/nodeMarks";
import type { Observed } from "../../cluster/observed";
import { ProviderError, isLinkLost } from "../../errors";
import { Wait, within } from "../../hosts/wait/wait";
import type { Context, Resource } from "../../resource";
import { UNKNOWN } from "../../wire";
import { contact, guestOf } from "./clusterView";
import { joinCluster } from "./k0sNodeJoin";
import { leaveCluster } from "./k0sNodeLeave";
import { inputs, isReady, listedOf, outputs, stateOf } from "./k0sNodeState";
import type { Inputs, State } from "./k0sNodeState";
import { runs } from "./k0sNodeSteps";
import { isFormerName, isSameMachine } from "../shared/renamed";

const CONFLICTS = 5;

/** Controllers join and leave one at a time. Workers join side by side. */
function inTurn<T>(
  context: Context,
  wanted: Inputs,
  limiter: ClusterAccess["memberships"],
  work: () => Promise<T>,
): Promise<T> {
  const { waitTimeoutSeconds } = context.pool.configOf(wanted.host);
  const wait = new Wait(wanted.name, within(context, waitTimeoutSeconds));
  return limiter.run(wait, work, wanted.name, context.status);
}

/** Another member with this address would be cut off from the cluster. */
function refuseTakenAddress(wanted: Inputs, { nodes, etcd }: Observed): void {
  const isOther = (key: string): boolean => ![wanted.name, wanted.hostName].includes(key);
  const holders = [
    ...[...etcd].filter(([, one]) => one.isJoined && one.peerAddress === wanted.address),
    ...[...nodes].filter(([, { addresses }]) => addresses.includes(wanted.address)),
  ];
  const holder = holders.map(([key]) => key).find(isOther);
  if (holder === undefined) return;
  throw new ProviderError(
    "input",
    `${wanted.name}: its address ${wanted.address} is that of ${holder} in the cluster`,
    `Use another address, or remove ${holder} from the cluster first.`,
  );
}

/** What the node has of labels, taints, and a cordon that an interrupted drain left. */
async function converged(
  context: Context,
  cluster: ClusterAccess,
  wanted: Inputs,
  observed: Observed,
): Promise<Observed> {
  const { node } = listedOf(wanted, observed);
  if (node === undefined || !(await applyMarks(context, cluster, wanted, node))) return observed;
  cluster.forget();
  return cluster.observe(context);
}

async function applyMarks(
  context: Context,
  cluster: ClusterAccess,
  wanted: Inputs,
  found: KubeNode,
): Promise<boolean> {
  const api = await cluster.api(context);
  let node = found;
  let isChanged = false;
  if (node.annotations[CORDONED] !== undefined) {
    node = await uncordon(api, node.name);
    isChanged = true;
  }
  for (let attempt = 1; ; attempt++) {
    const patch = marksPatch(node, wanted);
    if (patch === undefined) return isChanged;
    try {
      await api.patchNode(node.name, patch);
      return true;
    } catch (error) {
      if (!isConflict(error) || attempt === CONFLICTS) throw error;
      const nodes = await api.listNodes();
      node = nodes.find(({ name }) => name === node.name) ?? node;
    }
  }
}

async function converge(
  context: Context,
  wanted: Inputs,
  recorded: State | undefined,
): Promise<State> {
  const cluster = context.pool.cluster();
  let observed = await cluster.observeAgain(context);
  refuseTakenAddress(wanted, observed);
  // A creation also ends what an interrupted join has begun: its token.
  if (recorded === undefined || !isReady(wanted, observed)) {
    const guest = guestOf(context, wanted);
    const work = (): Promise<Observed> => joinCluster({ call: context, cluster, guest, wanted });
    observed = await (isController(wanted.role)
      ? inTurn(context, wanted, cluster.memberships, work)
      : work());
  }
  const state = stateOf(wanted, await converged(context, cluster, wanted, observed));
  if (state !== undefined) return state;
  throw new ProviderError("operation", `${wanted.name}: the cluster does not list it`);
}

/** The guest, if it can still stop k0s itself. */
async function reachable(context: Context, wanted: Inputs): Promise<ClusterGuest | undefined> {
  const { absence, error } = await contact(context, wanted, true);
  if (absence === undefined) return guestOf(context, wanted);
  if (absence === "silent") {
    if (!isLinkLost(error)) throw error;
    context.status(`${wanted.name} does not answer: ${error.what}`);
  }
  // A VM that restarted without the role has no unit any more. What it was is a dead member.
  return undefined;
}

async function remove(context: Context, wanted: Inputs): Promise<void> {
  const cluster = context.pool.cluster();
  const guest = await reachable(context, wanted);
  const isAlive = guest !== undefined && (await takesPart(context, wanted, guest));
  const limiter = isController(wanted.role) ? cluster.memberships : cluster.disruptions;
  await inTurn(context, wanted, limiter, () =>
    leaveCluster({ call: context, cluster, guest, isAlive, wanted }),
  );
}

async function takesPart(context: Context, wanted: Inputs, guest: ClusterGuest): Promise<boolean> {
  const k0s = await guest.read(context);
  const { node } = listedOf(wanted, await context.pool.cluster().observeAgain(context));
  const works = node === undefined || node.isReady;
  return runs(k0s) && works && (!isController(wanted.role) || k0s.isApiReady);
}

/** An answer of the API as an error of the provider. */
function translated<T>({ name: vm, cluster }: Inputs, work: () => Promise<T>): Promise<T> {
  return translating(vm, cluster, work);
}

function lookAt(context: Context, wanted: Inputs): Promise<Observed> {
  return translated(wanted, () => context.pool.cluster().observe(context));
}

const REJOIN = "Remove the role of this VM, run up, then state the new value.";

export const k0sNode: Resource<Inputs, State> = {
  type: "K0sNode",
  description:
    "A member of a k0s cluster. It joins, gets its labels and taints, and leaves in order: " +
    "drained, out of etcd, stopped. Its disks are not touched.",
  inputs,
  outputs,
  timeoutSeconds: 1800,
  immutable: {
    host: remedyOf("move"),
    machineId: "This is another machine.",
    name: REJOIN,
    hostName: REJOIN,
    address: REJOIN,
    cluster: REJOIN,
  },
  incidental: ["renamedFrom"],
  formerName: ({ renamedFrom }) => renamedFrom,
  isRenamed: (property, news, olds) =>
    property === "host" ? isSameMachine(news, olds) : isFormerName(property, news, olds),
  mirrored: ["labels", "taints"],
  id: ({ cluster, name }) => `${cluster}/${name}`,

  check({ role, labels, taints }, previous) {
    const hasMarks = Object.keys(labels).length + taints.length > 0;
    const isFixed =
      previous === undefined ||
      previous.role === role ||
      (previous.role === "controller" && role === "controller+worker");
    return [
      ...(isFixed ? [] : [{ property: "role", reason: `can't change. ${REJOIN}` }]),
      ...(role === "controller" && hasMarks
        ? [{ property: "labels", reason: "a pure controller has no node" }]
        : []),
    ];
  },

  drift: ({ status }) => (status === "ready" ? [] : ["status"]),

  predict: ({ role, labels, taints }, state) => ({
    status: "ready",
    memberId: !isController(role) ? "" : state === undefined ? UNKNOWN : state.memberId,
    labels,
    taints,
  }),

  /** Without a cluster that answers, nothing is known of a member that is to be created. */
  async observe(context, wanted, recorded) {
    try {
      return stateOf(wanted, await lookAt(context, wanted));
    } catch (error) {
      if (recorded === undefined && isLinkLost(error)) return undefined;
      throw error;
    }
  },

  async refuse(context, wanted) {
    try {
      refuseTakenAddress(wanted, await lookAt(context, wanted));
    } catch (error) {
      if (!isLinkLost(error)) throw error;
    }
  },

  converge: (context, wanted, _observed, recorded) =>
    translated(wanted, () => converge(context, wanted, recorded)),

  remove: (context, wanted) => translated(wanted, () => remove(context, wanted)),

  /** As a dead member: its vote would stay in etcd. */
  forget: (context, wanted) => translated(wanted, () => remove(context, wanted)),
};
