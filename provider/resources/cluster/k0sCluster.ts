/**
 * `K0sCluster`: the cluster as a whole. It is founded once, or taken over. Its inputs come from the
 * site and the evaluation, and have all members: so it changes exactly when a member changes, joins
 * or leaves, and its preview can state the order of all steps.
 */
import { isController } from "../../../contract/names";
import { remedyOf } from "../../../contract/promises";
import { makeKubeconfig, serverOf, withServer } from "../../cluster/kubeconfig";
import { ProviderError } from "../../errors";
import type { Context, Resource } from "../../resource";
import { UNKNOWN } from "../../wire";
import { LOST, observeCluster, stateOf, statusOf } from "./clusterObserved";
import { reportOf } from "./clusterReport";
import { apiReady, guestOf, lookAt, lookAtAll, withData } from "./clusterView";
import type { View } from "./clusterView";
import { DESTROYED, foundCluster, resumeCluster } from "./k0sClusterFounding";
import { refuseCluster, refuseOwner, refuseStrangers } from "./k0sClusterRefusals";
import { removeCluster } from "./k0sClusterRemoval";
import { inputs, outputs } from "./k0sClusterState";
import type { Inputs, State } from "./k0sClusterState";

/** A new kubeconfig only where the recorded one cannot be used any longer. */
async function withKubeconfig(
  context: Context,
  wanted: Inputs,
  view: View,
  state: State,
): Promise<State> {
  const moved = { ...state, kubeconfig: withServer(state.kubeconfig, serverOf(wanted.endpoint)) };
  if (statusOf(wanted, moved) === "valid") return { ...moved, kubeconfigStatus: "valid" };
  // Any controller of the cluster can sign an identity, without its API.
  const signer = apiReady(view) ?? withData(view)[0];
  if (signer === undefined) {
    const all = Object.entries(state.unavailable).map(([name, why]) => `${name}: ${why}`);
    throw new ProviderError(
      "guest",
      `${wanted.name}: no controller can make a kubeconfig: ${all.join("; ")}`,
      "Start the VMs of the controllers.",
    );
  }
  const guest = guestOf(context, signer);
  await guest.ensureIdentity(context);
  const { identity } = await guest.presentIdentity(context);
  if (identity === undefined) {
    throw new ProviderError("operation", `${signer.name}: k0s made no identity of the provider`);
  }
  const kubeconfig = makeKubeconfig(wanted.name, serverOf(wanted.endpoint), identity);
  const renewed = { ...state, kubeconfig };
  return { ...renewed, kubeconfigStatus: statusOf(wanted, renewed) };
}

async function converge(
  context: Context,
  wanted: Inputs,
  recorded: State | undefined,
): Promise<State> {
  const before = await lookAt(context, wanted);
  if (withData(before).length > 0) await resumeCluster(context, wanted, before);
  else if (recorded === undefined) await foundCluster(context, wanted, before);
  await makeIdentities(context, await lookAt(context, wanted));
  const view = await lookAt(context, wanted);
  if (recorded === undefined) refuseStrangers(wanted, view);
  const state = stateOf(context, wanted, view, recorded);
  if (state !== undefined) return withKubeconfig(context, wanted, view, state);
  throw new ProviderError("operation", `${wanted.name}: the cluster has no CA after its founding`);
}

/** Each controller has one, so that the loss of a controller does not take it along. */
async function makeIdentities(context: Context, view: View): Promise<void> {
  const running = withData(view).filter(({ k0s }) => k0s?.version !== undefined);
  await Promise.all(running.map((seen) => guestOf(context, seen).ensureIdentity(context)));
}

/** The steps in their order, for a preview: to people, and as a notice to programs. */
async function explain(
  context: Context,
  wanted: Inputs,
  before: Inputs | undefined,
): Promise<string | undefined> {
  const view = await lookAtAll(context, wanted, before?.members);
  const report = reportOf(wanted, view, before);
  if (report === undefined) return undefined;
  context.log.notice({ kind: "cluster", urn: context.urn, ...report.plan });
  return report.text;
}

function isUsable(wanted: Inputs, state: State): boolean {
  return state.kubeconfigStatus !== LOST && statusOf(wanted, state) === "valid";
}

const FIXED = remedyOf("clusterFixed");

export const k0sCluster: Resource<Inputs, State> = {
  type: "K0sCluster",
  description:
    "A k0s cluster. It is founded once on one controller, or taken over by the fingerprint of " +
    "its CA. Removing the resource stops k0s on all members. Their disks are not touched.",
  inputs,
  outputs,
  secretOutputs: ["kubeconfig"],
  timeoutSeconds: 1800,
  id: ({ name }) => name,
  immutable: {
    name: FIXED,
    podNetwork: FIXED,
    serviceNetwork: FIXED,
    nodeLocalLoadBalancing: FIXED,
  },
  mirrored: [],

  check({ members }) {
    const hasController = Object.values(members).some(({ role }) => isController(role));
    return hasController ? [] : [{ property: "members", reason: "must have a controller" }];
  },

  drift(state, wanted) {
    const stopped = Object.entries(state.unavailable).filter(([, why]) => why.includes(DESTROYED));
    return [
      ...(isUsable(wanted, state) ? [] : ["kubeconfigStatus"]),
      ...(state.ownership === "owned" ? [] : ["ownership"]),
      ...stopped.map(([name]) => `unavailable.${name}`),
    ];
  },

  predict(wanted, state) {
    if (state === undefined) {
      const caFingerprint = wanted.caFingerprint ?? UNKNOWN;
      const unknown = { founder: UNKNOWN, kubeconfig: UNKNOWN, unavailable: {} };
      return { caFingerprint, ...unknown, kubeconfigStatus: "valid", ownership: "owned" };
    }
    const isValid = statusOf(wanted, state) === "valid";
    return {
      ...state,
      kubeconfig: isValid ? state.kubeconfig : UNKNOWN,
      kubeconfigStatus: "valid",
      ownership: "owned",
    };
  },

  explain: ({ inputs, before }, context) => explain(context, inputs, before),

  observe: observeCluster,

  async refuse(context, wanted, _observed, recorded, before) {
    const view = await lookAt(context, wanted, before?.members);
    refuseCluster(context, wanted, view, recorded, before);
    await refuseOwner(context, wanted, view);
  },

  converge: (context, wanted, _observed, recorded) => converge(context, wanted, recorded),

  owned: ({ ownership }) => ownership === "owned",

  remove: (context, wanted) => removeCluster(context, wanted),
};
