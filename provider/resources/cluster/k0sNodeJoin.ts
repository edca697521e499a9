/** Brings a member into the cluster, from whatever state its guest is in. */
import { X509Certificate } from "node:crypto";
import { isController, isWorker } from "../../../contract/names";
import type { K0sFacts, ClusterGuest } from "../../cluster/k0sGuest";
import type { Observed } from "../../cluster/observed";
import { awaitCluster } from "../../cluster/waiting";
import { ProviderError, messageOf } from "../../errors";
import type { Call } from "../../hosts/operations/operation";
import { gate } from "./k0sNodeGate";
import type { NodeCluster } from "./k0sNodeGate";
import { isReady, listedOf } from "./k0sNodeState";
import type { Inputs } from "./k0sNodeState";
import { nextStep, refuseClocks, refuseForeignData, runs } from "./k0sNodeSteps";
import type { Found, Step } from "./k0sNodeSteps";

/** Each state needs a few steps at most. More of them would go round in circles. */
const MOST_STEPS = 6;
/** Clocks are compared before anything changes. */
const LEADS_TO_A_TOKEN: readonly Step[] = ["set-aside", "remove", "join"];

/** What a join uses. Tests have stand-ins. */
export interface Joining {
  call: Call & { workSeconds: number };
  cluster: NodeCluster;
  guest: Pick<
    ClusterGuest,
    "name" | "readAgain" | "clockOffset" | "join" | "retireToken" | "setAside" | "stopAndMask"
  >;
  wanted: Inputs;
  pollMs?: number;
}

/** Until the member is ready: it votes, its API answers, its node is Ready. */
export async function joinCluster(joining: Joining): Promise<Observed> {
  const { wanted } = joining;
  for (let count = 0; count < MOST_STEPS; count++) {
    const found = await look(joining);
    refuseForeignData(wanted.name, wanted.cluster, found);
    const step = nextStep(found);
    if (step === "wait") return finish(joining, found);
    if (LEADS_TO_A_TOKEN.includes(step)) await refuseClockOf(joining);
    const joined = await ACTS[step](joining, found);
    if (joined !== undefined) return joined;
  }
  throw new ProviderError(
    "operation",
    `${wanted.name}: k0s did not get into the cluster in ${MOST_STEPS} steps`,
    `Look at journalctl -u k0s in ${wanted.name}.`,
  );
}

interface Seen extends Found {
  k0s: K0sFacts;
  memberId: string;
}

async function look({ call, cluster, guest, wanted }: Joining): Promise<Seen> {
  const observing = cluster.observeAgain(call);
  // While the guest is read. It is not needed if the guest's own API answers.
  const listing = observing.then((observed) => isInEtcd(call, cluster, wanted, observed));
  listing.catch(() => undefined);
  const [observed, { ca }, k0s] = await Promise.all([
    observing,
    cluster.identity(call),
    guest.readAgain(call),
  ]);
  const { node, etcd } = listedOf(wanted, observed);
  return {
    role: wanted.role,
    isVoter: etcd?.isJoined === true,
    isInEtcd: isController(wanted.role) && (k0s.isApiReady || (await listing)),
    hasNode: node !== undefined,
    k0s,
    ca: new X509Certificate(ca).fingerprint256,
    memberId: etcd?.memberId ?? "",
  };
}

/** Its object appears only when it votes. Another controller lists it from the beginning. */
async function isInEtcd(
  call: Call,
  cluster: Joining["cluster"],
  wanted: Inputs,
  observed: Observed,
): Promise<boolean> {
  const { name, address, role } = wanted;
  if (listedOf(wanted, observed).etcd?.isJoined === true) return true;
  if (!isController(role)) return false;
  const survivor = await cluster.survivor(call, name);
  const { etcdMembers = {} } = await survivor.readAgain(call);
  return Object.values(etcdMembers).some((url) => url.startsWith(`https://${address}:`));
}

type Act = (joining: Joining, seen: Seen) => Promise<Observed | undefined>;

const ACTS: Readonly<Record<Exclude<Step, "wait">, Act>> = {
  async resume({ call, guest, wanted }) {
    call.status(`${wanted.name} resumes`);
    await guest.join(call, { token: "", cluster: wanted.cluster });
    return undefined;
  },

  async restart(joining) {
    const { call, guest, wanted } = joining;
    await gate(joining, "change");
    await guest.stopAndMask(call, "its node is registered again");
    await guest.join(call, { token: "", cluster: wanted.cluster });
    return undefined;
  },

  async "set-aside"({ call, guest }) {
    await guest.setAside(call, "the cluster does not list this member");
    return undefined;
  },

  /** Its data is gone, so it cannot come back: k0s would wait some minutes for that. */
  async remove(joining, { k0s }) {
    const { call, cluster, guest, wanted } = joining;
    await gate(joining, "remove");
    if (runs(k0s)) await guest.stopAndMask(call, "its data was lost");
    if (isController(wanted.role)) {
      const survivor = await cluster.survivor(call, wanted.name);
      await survivor.etcdLeave(call, wanted.address);
      await awaitCluster(call, cluster, {
        ...awaiting(joining),
        what: "etcd does not list the lost member",
        is: (observed) => listedOf(wanted, observed).etcd?.isJoined !== true,
      });
    }
    await (await cluster.api(call)).deleteNode(wanted.hostName);
    cluster.forget();
    return undefined;
  },

  join: joinByToken,
};

async function joinByToken(joining: Joining, seen: Seen): Promise<Observed> {
  const { call, cluster, guest, wanted } = joining;
  await gate(joining, "join");
  const controller = await cluster.survivor(call, wanted.name);
  // With an old token, a unit that runs would not read the new one.
  if (runs(seen.k0s)) await guest.stopAndMask(call, "it joins by another token");
  const role = isController(wanted.role) ? "controller" : "worker";
  call.status(`${wanted.name} joins by ${controller.name}`);
  const { id, token } = await controller.mintToken(call, role);
  const end = (): Promise<void> => invalidate(call, controller, role, id);
  let observed: Observed;
  try {
    await guest.join(call, { token, cluster: wanted.cluster });
    observed = await ready(joining, seen);
  } catch (error) {
    await end();
    throw error;
  }
  const ended = end();
  await guest.retireToken(call).finally(() => ended);
  return observed;
}

/** The token expires soon. A failure must not hide that of the join. */
async function invalidate(
  call: Call,
  controller: ClusterGuest,
  role: "controller" | "worker",
  id: string,
): Promise<void> {
  try {
    await controller.invalidateToken(call, role, id);
  } catch (error) {
    call.status(`the join token ${id} stays valid for some minutes: ${messageOf(error)}`);
  }
}

async function refuseClockOf({ call, cluster, guest, wanted }: Joining): Promise<void> {
  const controller = await cluster.survivor(call, wanted.name);
  const of = async (one: Pick<ClusterGuest, "name" | "clockOffset">) => ({
    name: one.name,
    clockOffset: await one.clockOffset(call),
  });
  refuseClocks(await of(guest), await of(controller));
}

/** Also ends what an interrupted join has begun. */
async function finish(joining: Joining, seen: Seen): Promise<Observed> {
  const observed = await ready(joining, seen);
  if (seen.k0s.token === "real") await joining.guest.retireToken(joining.call);
  return observed;
}

/** Waits until it is ready. A member that joins again has another id than before. */
function ready(joining: Joining, { isVoter, memberId }: Seen): Promise<Observed> {
  const { call, cluster, wanted } = joining;
  const isNew = (observed: Observed): boolean =>
    isVoter || !isController(wanted.role) || listedOf(wanted, observed).etcd?.memberId !== memberId;
  return awaitCluster(call, cluster, {
    ...awaiting(joining),
    what: isWorker(wanted.role) ? "its node is Ready" : "it votes in etcd",
    is: (observed) => isReady(wanted, observed) && isNew(observed),
  });
}

function awaiting({ call, wanted: { name }, pollMs }: Joining) {
  const remedy = `Look at journalctl -u k0s in ${name}.`;
  return { name, seconds: call.workSeconds, remedy, ...(pollMs !== undefined && { pollMs }) };
}
