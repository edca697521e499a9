/**
 * `K0sCluster`: the cluster as a whole. It is founded once, or taken over. Its inputs come from the
 * site and the evaluation, and have all members: so it changes exactly when a member changes, joins
 * or leaves, and its preview can state the order of all steps.
 */
import { isController } from "../../../contract/names";
import { remedyOf } from "../../../contract/promises";
import { kubeconfigStatus, makeKubeconfig, serverOf, withServer } from "../../cluster/kubeconfig";
import { ProviderError } from "../../errors";
import { stackOwnership } from "../../ownership";
import type { Context, Resource } from "../../resource";
import { UNKNOWN } from "../../wire";
import { observedMembers } from "./clusterPlan";
import { reportOf } from "./clusterReport";
import { guestOf, lookAt, lookAtAll, unavailability, withData } from "./clusterView";
import type { View } from "./clusterView";
import { DESTROYED, foundCluster, resumeCluster } from "./k0sClusterFounding";
import { refuseCluster, refuseStrangers } from "./k0sClusterRefusals";
import { removeCluster } from "./k0sClusterRemoval";
import { inputs, outputs } from "./k0sClusterState";
import type { Inputs, State } from "./k0sClusterState";

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
    kubeconfigStatus: statusOf(wanted, { kubeconfig, caFingerprint }),
    unavailable: unavailableOf(wanted, view, recorded),
    ownership: ownershipOf(context, view) ?? recorded?.ownership ?? "missing",
  };
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

function statusOf(
  { endpoint }: Inputs,
  { kubeconfig, caFingerprint }: Pick<State, "kubeconfig" | "caFingerprint">,
): string {
  return kubeconfigStatus(kubeconfig, { server: serverOf(endpoint), caFingerprint });
}

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
  const signer = view.controllers.find(({ k0s }) => k0s?.isApiReady === true) ?? withData(view)[0];
  if (signer === undefined) {
    const all = Object.entries(state.unavailable).map(([name, why]) => `${name}: ${why}`);
    throw new ProviderError(
      "guest",
      `${wanted.name}: no controller can make a kubeconfig: ${all.join("; ")}`,
      "Start the VMs of the controllers.",
    );
  }
  const identity = await guestOf(context, signer).identity(context);
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
  const view = await lookAt(context, wanted);
  if (recorded === undefined) refuseStrangers(wanted, view);
  const state = stateOf(context, wanted, view, recorded);
  if (state !== undefined) return withKubeconfig(context, wanted, view, state);
  throw new ProviderError("operation", `${wanted.name}: the cluster has no CA after its founding`);
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
      ...(statusOf(wanted, state) === "valid" ? [] : ["kubeconfigStatus"]),
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

  async observe(context, wanted, recorded) {
    return stateOf(context, wanted, await lookAt(context, wanted), recorded);
  },

  async refuse(context, wanted, _observed, recorded, before) {
    const view = await lookAt(context, wanted, before?.members);
    refuseCluster(context, wanted, view, recorded, before);
  },

  converge: (context, wanted, _observed, recorded) => converge(context, wanted, recorded),

  owned: ({ ownership }) => ownership === "owned",

  remove: (context, wanted) => removeCluster(context, wanted),
};
