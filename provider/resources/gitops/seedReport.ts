/** What an update or a creation of a seed does to the cluster, for a preview. Changes nothing. */
import { ProviderError } from "../../errors";
import { chartText, renderArgs } from "../../gitops/helm/commands";
import { changesOf, parseManifests } from "../../gitops/helm/manifests";
import type { Manifest } from "../../gitops/helm/manifests";
import type { Context } from "../../resource";
import { isHandedOver, secretsOf } from "./seedApply";
import { lookIfPossible } from "./seedLook";
import { chartOf, stepFor } from "./seedState";
import type { Inputs, Observed, State, Step } from "./seedState";

const MOST_LINES = 40;

export async function explainSeed(
  context: Context,
  wanted: Inputs,
  recorded: State | undefined,
): Promise<string | undefined> {
  const seen = await lookIfPossible(context, wanted);
  const chart = `chart ${chartText(chartOf(wanted))}`;
  if (seen === undefined) return `${chart} will be installed, once the cluster answers`;
  if (isHandedOver(seen, recorded)) return handedOverText(wanted, seen);
  const step = stepFor(wanted, seen.release);
  if (step === "nothing") return undefined;
  const old = await parseManifests(seen.release?.manifest ?? "", wanted.namespace);
  const lines = changesOf(old, await rendered(context, wanted, step));
  return [titleOf(step, chart, seen), ...shortened(lines)].join("\n");
}

/** It is Flux's: also if the HelmRelease is suspended, or was removed. */
export function handedOverText(
  { adopter, releaseName }: Inputs,
  { helmRelease }: Observed,
): string {
  const { namespace, name } = helmRelease ?? adopter ?? { namespace: "", name: releaseName };
  const where = adopter === undefined ? "in the GitOps tree" : `in ${adopter.source}`;
  const paused = helmRelease?.isSuspended === true ? " (suspended)" : "";
  return (
    `${releaseName} belongs to Flux: HelmRelease ${namespace}/${name}${paused}. ` +
    `Nothing is changed here. Change it ${where}, and push.`
  );
}

function titleOf(step: Step, chart: string, { release }: Observed): string {
  switch (step) {
    case "install":
    case "install again":
      return `${chart} will be installed`;
    case "unlock":
      return `revision ${release?.revision} was interrupted; upgrade to ${chart}`;
    default:
      return release?.status === "failed"
        ? `revision ${release.revision} failed; upgrade to ${chart}`
        : `upgrade of revision ${release?.revision} to ${chart}`;
  }
}

function shortened(lines: readonly string[]): string[] {
  if (lines.length === 0) return ["  no object changes"];
  const more = lines.length - MOST_LINES;
  const shown = lines.slice(0, MOST_LINES).map((line) => `  ${line}`);
  return more > 0 ? [...shown, `  and ${more} more objects`] : shown;
}

/** By the server, so that charts find there what they ask for. */
async function rendered(context: Context, wanted: Inputs, step: Step): Promise<Manifest[]> {
  const isUpgrade = step === "upgrade" || step === "unlock";
  try {
    return await renderedBy(context, wanted, { by: "server", isUpgrade });
  } catch (error) {
    // The chart brings the CRDs of its own objects, and a preview installs none.
    if (!(error instanceof ProviderError) || !/no matches for kind/.test(error.what)) throw error;
    return renderedBy(context, wanted, { by: "client", isUpgrade });
  }
}

async function renderedBy(
  context: Context,
  wanted: Inputs,
  how: { by: "server" | "client"; isUpgrade: boolean },
): Promise<Manifest[]> {
  const { releaseName, namespace } = wanted;
  const chart = chartOf(wanted);
  const { helm, cluster } = context.pool.gitOps();
  const text = await helm.run(context, cluster, {
    args: renderArgs({ releaseName, namespace, chart }, how),
    input: wanted.values,
    secrets: secretsOf(context, wanted),
    doing: `${releaseName}: rendering chart ${chartText(chart)}`,
  });
  return parseManifests(text, namespace);
}
