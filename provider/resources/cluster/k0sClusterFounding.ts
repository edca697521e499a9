/** A cluster comes into being, or comes back from the data that its controllers have. */
import type { K0sFacts } from "../../cluster/k0sGuest";
import { ProviderError } from "../../errors";
import { makeRecord, stackOwnership } from "../../ownership";
import type { Context } from "../../resource";
import { planOfCluster } from "./clusterPlan";
import { apiReady, guestOf, withData } from "./clusterView";
import type { Seen, View } from "./clusterView";
import { refuseUnseen } from "./k0sClusterRefusals";
import type { Inputs } from "./k0sClusterState";

/** Why `remove` stopped k0s. Only these members come back by themselves. */
export const DESTROYED = "the cluster was destroyed";

const CLAIM_SECONDS = 60;

/** The founder is recorded on its hypervisor before its guest can found anything. */
export async function foundCluster(context: Context, wanted: Inputs, view: View): Promise<void> {
  refuseUnseen(wanted, view);
  const [first] = planOfCluster(wanted, view, undefined).steps;
  const founder = view.controllers.find(({ name }) => name === first?.names[0]);
  if (founder === undefined) {
    throw new ProviderError("input", `${wanted.name}: no controller can found the cluster`);
  }
  context.status(`${founder.name} founds the cluster ${wanted.name}`);
  await recordFounder(context, wanted, founder);
  await guestOf(context, founder).found(context, { cluster: wanted.name });
}

async function recordFounder(context: Context, { name }: Inputs, founder: Seen): Promise<void> {
  const hypervisor = context.pool.get(founder.host);
  const { machineId } = await hypervisor.read(context);
  const record = makeRecord(context.urn, { founder: founder.name });
  const parameters = { name, record };
  const operation = { script: "cluster-claim", machineId, parameters, seconds: CLAIM_SECONDS };
  await hypervisor.operate(context, operation);
}

/** All at once, since etcd answers only with a majority of its members. */
export async function resumeCluster(context: Context, wanted: Inputs, view: View): Promise<void> {
  const members = withData(view);
  const isOurs = members.some(({ k0s }) => stackOwnership(k0s?.record, context) === "owned");
  const answers = apiReady(view) !== undefined;
  const sleeping = members.filter(
    ({ k0s }) => k0s !== undefined && (sleeps(k0s) || (!answers && starts(k0s))),
  );
  // Where k0s runs, this only writes what is missing of the records of the owner.
  const first = apiReady(view) ?? (isOurs ? undefined : members[0]);
  const woken = first === undefined ? sleeping : [...new Set([first, ...sleeping])];
  if (woken.length === 0) return;
  context.status(`waiting for k0s on ${woken.map(({ name }) => name).join(", ")}`);
  await Promise.all(
    woken.map((seen) => guestOf(context, seen).found(context, { cluster: wanted.name })),
  );
}

/** A guest that has just booted starts k0s by itself. */
function starts({ stopped, isApiReady }: K0sFacts): boolean {
  return stopped === undefined && !isApiReady;
}

function sleeps({ stopped, unit }: K0sFacts): boolean {
  if (stopped !== undefined) return stopped === DESTROYED;
  return ["inactive", "failed"].includes(unit);
}
