/** What the controllers show of a cluster, as the outputs of `K0sCluster`. */
import { hasIdentity } from "../../cluster/identity";
import { kubeconfigStatus, serverOf } from "../../cluster/kubeconfig";
import { stackOwnership } from "../../ownership";
import type { Context } from "../../resource";
import { within } from "../../hosts/wait/wait";
import { ANSWER_SECONDS } from "../../hosts/guest";
import { isController } from "../../../contract/names";
import type { Observed } from "../../cluster/observed";
import { observedMembers } from "./clusterPlan";
import { lookAt, peersOf, see, unavailability, withData } from "./clusterView";
import type { Seen, View } from "./clusterView";
import type { Inputs, Member, State } from "./k0sClusterState";

/** The status of a kubeconfig whose identity no controller has, so that the API cannot be read. */
export const LOST = "lost";

/** The cluster as it is. While nothing is wrong, by one login only. */
export async function observeCluster(
  context: Context,
  wanted: Inputs,
  recorded: State | undefined,
): Promise<State | undefined> {
  const whole = recorded && (await wholeView(context, wanted, recorded));
  return stateOf(context, wanted, whole ?? (await lookAt(context, wanted)), recorded);
}

/**
 * One controller, if it shows the recorded cluster, and the API shows that all controllers take
 * part in it and are healthy. Undefined: each controller must be looked at.
 */
async function wholeView(
  context: Context,
  wanted: Inputs,
  recorded: State,
): Promise<View | undefined> {
  const call = { ...context, ...within(context, ANSWER_SECONDS) };
  try {
    const cluster = context.pool.cluster();
    const name = await cluster.presenter(call);
    const member = wanted.members[name];
    if (member === undefined) return undefined;
    const [observed, seen] = await Promise.all([cluster.observe(call), see(context, name, member)]);
    const isWhole = areWhole(wanted, observed) && shows(context, wanted, recorded, seen);
    return isWhole ? { controllers: [seen], founder: undefined } : undefined;
  } catch (error) {
    if (context.signal.aborted) throw error;
    return undefined;
  }
}

/** The controllers of the site are the members of etcd, and their APIs answer. */
export function areWhole(wanted: Inputs, { etcd, answering }: Observed): boolean {
  const controllers = controllersOf(wanted);
  const joined = [...etcd].filter(([, { isJoined }]) => isJoined);
  return (
    joined.length === controllers.length &&
    controllers.every(
      ([name, { address }]) =>
        answering.has(name) &&
        joined.some(([one, { peerAddress }]) => one === name && peerAddress === address),
    )
  );
}

/** The controller has the data of the recorded cluster, and knows no other members of etcd. */
export function shows(
  owner: Pick<Context, "urn">,
  wanted: Inputs,
  recorded: State,
  { k0s, ...seen }: Seen,
): boolean {
  if (k0s === undefined) return false;
  const peers = peersOf({ controllers: [{ ...seen, k0s }], founder: undefined }) ?? [];
  const addresses = controllersOf(wanted).map(([, { address }]) => address);
  return (
    k0s.isApiReady &&
    hasIdentity(k0s) &&
    k0s.caFingerprint === recorded.caFingerprint &&
    stackOwnership(k0s.record, owner) === "owned" &&
    peers.toSorted().join() === addresses.toSorted().join()
  );
}

const controllersOf = ({ members }: Inputs): [string, Member][] =>
  Object.entries(members).filter(([, { role }]) => isController(role));

/** The state that the controllers show. Undefined: none of them has data, and none is recorded. */
export function stateOf(
  context: Pick<Context, "urn">,
  wanted: Inputs,
  view: View,
  recorded: State | undefined,
): State | undefined {
  const members = withData(view);
  const caFingerprint = recorded?.caFingerprint ?? members[0]?.k0s?.caFingerprint;
  if (caFingerprint === undefined) return undefined;
  const kubeconfig = recorded?.kubeconfig ?? "";
  return {
    caFingerprint,
    founder: recorded?.founder ?? view.founder ?? "",
    kubeconfig,
    kubeconfigStatus: isLost(view) ? LOST : statusOf(wanted, { kubeconfig, caFingerprint }),
    unavailable: unavailableOf(wanted, view, recorded),
    ownership: ownershipOf(context, view) ?? recorded?.ownership ?? "missing",
  };
}

/** No controller that can be read has the identity of the kubeconfig, or another one of ours. */
function isLost(view: View): boolean {
  const members = withData(view);
  return members.length > 0 && !members.some(({ k0s }) => k0s !== undefined && hasIdentity(k0s));
}

function unavailableOf(
  wanted: Inputs,
  view: View,
  recorded: State | undefined,
): Record<string, string> {
  const before = recorded === undefined ? undefined : wanted;
  const members = observedMembers(wanted, view, before);
  return Object.fromEntries(
    view.controllers.flatMap((seen): [string, string][] => {
      const why = unavailability(seen);
      const isMember = members.some(({ name }) => name === seen.name);
      return why === undefined || !isMember ? [] : [[seen.name, why]];
    }),
  );
}

/** One record beside the data of one controller is enough. Undefined if nothing was read. */
function ownershipOf(context: Pick<Context, "urn">, view: View): string | undefined {
  const found = withData(view).map(({ k0s }) => stackOwnership(k0s?.record, context));
  return found.includes("owned") ? "owned" : found[0];
}

/** Of a kubeconfig. */
export function statusOf(
  { endpoint }: Inputs,
  { kubeconfig, caFingerprint }: Pick<State, "kubeconfig" | "caFingerprint">,
): string {
  return kubeconfigStatus(kubeconfig, { server: serverOf(endpoint), caFingerprint });
}
