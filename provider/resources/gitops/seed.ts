/**
 * `Seed`: a Helm release that is installed once, as Flux would install it, and belongs to Flux from
 * the moment its HelmRelease exists in the cluster. Then it is only reported. Removing the resource
 * leaves the release as it is.
 */
import { isLinkLost, ProviderError } from "../../errors";
import { isPending } from "../../gitops/helm/release";
import type { Resource } from "../../resource";
import { UNKNOWN } from "../../wire";
import { applySeed, isHandedOver } from "./seedApply";
import { lookAt, lookIfPossible, stateOf } from "./seedLook";
import { explainSeed, handedOverText } from "./seedReport";
import { faultsOf, inputs, outputs, refuseForeign, releaseKey } from "./seedState";
import type { Inputs, Observed, State } from "./seedState";

const ANOTHER = "Add another seed with the new value. The old release stays in the cluster.";

/** A release that must stay with Pulumi. */
function refuseFlux(wanted: Inputs, { helmRelease }: Observed): void {
  if (wanted.owner !== "pulumi" || helmRelease === undefined) return;
  throw new ProviderError(
    "owned",
    `${wanted.releaseName} stays with Pulumi, but HelmRelease ` +
      `${helmRelease.namespace}/${helmRelease.name} in the cluster manages it too`,
    "Remove that HelmRelease from the GitOps tree.",
  );
}

export const seed: Resource<Inputs, State> = {
  type: "Seed",
  description:
    "A Helm release that is installed once and belongs to Flux from when its HelmRelease exists. " +
    "Removing the resource leaves the release in the cluster.",
  inputs,
  outputs,
  timeoutSeconds: 3600,
  id: (wanted) => `${wanted.cluster}/${releaseKey(wanted)}`,
  immutable: {
    cluster: ANOTHER,
    releaseName: ANOTHER,
    namespace: ANOTHER,
    storageNamespace: ANOTHER,
  },
  incidental: ["adopter", "gate", "timeoutSeconds"],
  settled: ({ owner }, { adopter }) =>
    owner === "flux" && adopter !== undefined ? ["chart", "values"] : [],
  mirrored: [],
  check: (wanted) => faultsOf(wanted),
  drift: ({ status }) => (["deployed", "handed over"].includes(status) ? [] : ["status"]),

  predict(_wanted, state) {
    if (state?.owner === "flux" || state?.status === "deployed") return { ...state };
    const unknown = { revision: UNKNOWN, generations: UNKNOWN };
    return { owner: "pulumi", status: "deployed", ...unknown, adopted: false, restarted: [] };
  },

  explain: ({ isNew, inputs: wanted, observed }, context) =>
    explainSeed(context, wanted, isNew ? undefined : observed),

  /** Without a cluster that answers, nothing is known of a seed that is to be created. */
  async observe(context, wanted, recorded) {
    try {
      return await stateOf(context, wanted, await lookAt(context, wanted), recorded);
    } catch (error) {
      if (recorded === undefined && isLinkLost(error)) return undefined;
      throw error;
    }
  },

  async refuse(context, wanted, _observed, recorded) {
    const seen = await lookIfPossible(context, wanted);
    if (seen === undefined) return;
    refuseFlux(wanted, seen);
    if (isHandedOver(seen, recorded) || seen.release === undefined) return;
    refuseForeign(context, wanted, seen.release);
  },

  async converge(context, wanted, _observed, recorded) {
    const state = await applySeed(context, wanted, recorded);
    if (state.owner === "flux" && recorded !== undefined) {
      context.log.warning(context.urn, handedOverText(wanted, await lookAt(context, wanted)));
    }
    return state;
  },

  /** What a failed installation has left is ours, and the next run goes on. */
  owned: ({ owner, status }) => owner === "pulumi" && !isPending(status),

  remove(context, wanted) {
    const name = `the Helm release ${releaseKey(wanted)}`;
    context.log.info(context.urn, `${name} left the state; it stays in the cluster`);
    return Promise.resolve();
  },
};
