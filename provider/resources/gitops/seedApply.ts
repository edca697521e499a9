/** Installs, upgrades and unlocks the release of a seed, and waits for its gate. */
import { isConflict, translating } from "../../cluster/kube/failure";
import { ProviderError } from "../../errors";
import { awaitGates } from "../../gitops/gates/gate";
import type { Gate } from "../../gitops/gates/gate";
import {
  cephReady,
  crdEstablished,
  defaultStorageClass,
  nodesReady,
} from "../../gitops/gates/platform";
import { workloadReady } from "../../gitops/gates/workloads";
import { chartText, installArgs, upgradeArgs } from "../../gitops/helm/commands";
import type { Applying } from "../../gitops/helm/commands";
import { leavesOf } from "../../gitops/helm/failures";
import type { Workload } from "../../gitops/helm/manifests";
import { recordPath, unlockPatch } from "../../gitops/helm/release";
import type { Release } from "../../gitops/helm/release";
import { ownerLabels } from "../../gitops/ownership";
import { within } from "../../hosts/wait/wait";
import type { Context } from "../../resource";
import { generationsOf, lookAt, stateOf, workloadsOf } from "./seedLook";
import { chartOf, refuseForeign, stepFor } from "./seedState";
import type { Inputs, Observed, State, Step } from "./seedState";

/** Helm ends its own waits before the call ends. */
const MARGIN_SECONDS = 10;

/** All of it within the limit of the seed. */
export async function applySeed(
  caller: Context,
  wanted: Inputs,
  recorded: State | undefined,
): Promise<State> {
  const context = limited(caller, wanted);
  const before = await lookAt(context, wanted, { again: true });
  if (isHandedOver(before, recorded)) return finished(context, wanted, before, recorded);
  if (before.release !== undefined) refuseForeign(context, wanted, before.release);
  await take(context, wanted, stepFor(wanted, before.release), before.release);
  const after = await lookAt(context, wanted, { again: true });
  const { release } = after;
  if (release === undefined) throw notListed(wanted);
  const made = await workloadsOf(release, wanted);
  await passGate(context, wanted, made);
  const generations = await translating(wanted.releaseName, wanted.cluster, () =>
    generationsOf(context, made),
  );
  return { ...(await finished(context, wanted, after, recorded)), generations };
}

function limited(context: Context, { timeoutSeconds }: Inputs): Context {
  const { deadline } = within(context, timeoutSeconds);
  return { ...context, deadline: Math.min(deadline, context.deadline) };
}

export const isHandedOver = (observed: Observed, recorded: State | undefined): boolean =>
  observed.helmRelease !== undefined ||
  (recorded?.owner === "flux" && observed.release !== undefined);

async function finished(
  context: Context,
  wanted: Inputs,
  observed: Observed,
  recorded: State | undefined,
): Promise<State> {
  const state = await stateOf(context, wanted, observed, recorded);
  if (state !== undefined) return state;
  throw notListed(wanted);
}

const notListed = ({ releaseName }: Inputs): ProviderError =>
  new ProviderError("operation", `${releaseName}: the cluster lists no release`);

async function take(
  context: Context,
  wanted: Inputs,
  step: Step,
  release: Release | undefined,
): Promise<void> {
  switch (step) {
    case "install":
      return runHelm(context, wanted, "installing", installArgs(applying(context, wanted)));
    case "install again":
      return runHelm(context, wanted, "installing", installArgs(applying(context, wanted), true));
    case "unlock":
      if (release !== undefined) await unlock(context, wanted, release);
      return runHelm(context, wanted, "upgrading", upgradeArgs(applying(context, wanted)));
    case "upgrade":
      return runHelm(context, wanted, "upgrading", upgradeArgs(applying(context, wanted)));
    case "nothing":
      return;
  }
}

function applying(context: Context, wanted: Inputs): Applying {
  const left = Math.floor((context.deadline - Date.now()) / 1000) - MARGIN_SECONDS;
  return {
    releaseName: wanted.releaseName,
    namespace: wanted.namespace,
    chart: chartOf(wanted),
    labels: ownerLabels(context.urn),
    timeoutSeconds: Math.max(1, left),
  };
}

async function runHelm(
  context: Context,
  wanted: Inputs,
  verb: string,
  args: string[],
): Promise<void> {
  const doing = `${wanted.releaseName}: ${verb} chart ${chartText(chartOf(wanted))}`;
  context.status(`${verb} chart ${chartText(chartOf(wanted))}`);
  const gitOps = context.pool.gitOps();
  try {
    await gitOps.helm.run(context, gitOps.cluster, {
      args,
      input: wanted.values,
      secrets: secretsOf(context, wanted),
      doing,
    });
  } finally {
    gitOps.forget();
  }
}

/** Values that must not be in an error: all of them, if any is secret. */
export function secretsOf({ secretInputs = [] }: Context, { values }: Inputs): string[] {
  return secretInputs.includes("values") ? leavesOf(JSON.parse(values)) : [];
}

/** An interrupted operation of ours. Helm refuses to go on until its record says that it failed. */
async function unlock(context: Context, wanted: Inputs, release: Release): Promise<void> {
  const { namespace, name, revision } = release;
  context.status(`revision ${revision} is ${release.status}: it was interrupted`);
  const objects = context.pool.gitOps().cluster.objects(context);
  const path = recordPath(namespace, name, revision);
  await translating(wanted.releaseName, wanted.cluster, () =>
    objects.patch(path, unlockPatch(release)).catch((error: unknown) => {
      if (!isConflict(error)) throw error;
      throw new ProviderError(
        "stale",
        `${wanted.releaseName}: somebody else is changing the release`,
        "Wait until the other operation ends, then run up again.",
      );
    }),
  );
}

async function passGate(
  context: Context,
  wanted: Inputs,
  made: readonly Workload[],
): Promise<void> {
  const seconds = Math.max(1, Math.floor((context.deadline - Date.now()) / 1000));
  await translating(wanted.releaseName, wanted.cluster, () =>
    awaitGates(context, context.pool.gitOps().cluster, {
      name: wanted.releaseName,
      gates: gatesOf(wanted.gate, made),
      seconds,
      place: `cluster ${wanted.cluster}`,
      remedy: "Mend what the reasons name, then run up again. It goes on where it stopped.",
    }),
  );
}

/** Pure. */
export function gatesOf(gate: Inputs["gate"], made: readonly Workload[]): Gate[] {
  const { workloads, nodes, crds, defaultStorageClass: needsClass, cephCluster } = gate;
  return [
    ...(workloads ? made.map(workloadReady) : []),
    ...crds.map(crdEstablished),
    ...(nodes ? [nodesReady] : []),
    ...(needsClass ? [defaultStorageClass] : []),
    ...(cephCluster === undefined
      ? []
      : [cephReady(cephCluster.namespace, cephCluster.name, cephCluster.osds)]),
  ];
}
