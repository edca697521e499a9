/**
 * `FluxControllers`: Flux's controllers and its kinds, from the manifests in the GitOps tree. They
 * are applied until Flux applies them itself; from then on they are only reported.
 */
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { isAbsolute } from "node:path";
import { z } from "zod";
import { translating } from "../../cluster/kube/failure";
import type { KubeObject } from "../../cluster/kube/objectClient";
import { ProviderError, isLinkLost, messageOf } from "../../errors";
import { Applier, inOrder, kubeObject } from "../../gitops/apply";
import type { Applied } from "../../gitops/apply";
import { isOwnedByFlux } from "../../gitops/fluxObjects";
import { awaitGates } from "../../gitops/gates/gate";
import { unmetBy, workloadReady } from "../../gitops/gates/workloads";
import { isOurs, ownerLabels } from "../../gitops/ownership";
import { yamlDocuments } from "../../gitops/yamlDocuments";
import { within } from "../../hosts/wait/wait";
import type { Limits } from "../../hosts/wait/wait";
import type { Context, Resource } from "../../resource";
import { kubeName } from "./gitSeedState";

const LOOK_SECONDS = 60;
/**
 * kustomize-controller takes the fields of this manager over when it applies the objects first
 * (kustomize-controller internal/controller/kustomization_controller.go), so that none is left.
 */
const MANAGER = "kubectl";

const inputs = z.object({
  namespace: kubeName.describe("Namespace of the controllers."),
  manifests: z
    .string()
    .refine(isAbsolute, "must be an absolute path")
    .describe("File with the manifests, as `flux install --export` writes it."),
  digest: z
    .string()
    .regex(/^[0-9a-f]{64}$/, "must be a SHA-256 hash")
    .describe("SHA-256 of that file."),
});
type Inputs = z.infer<typeof inputs>;

const outputs = z.object({
  status: z.string().describe("ready; not ready: a controller is not available."),
  owner: z
    .string()
    .describe("pulumi: the manifests are applied here; flux: Flux applies them itself; foreign."),
});
type State = z.infer<typeof outputs>;

const pathOf = ({ namespace }: Inputs): string =>
  `/apis/apps/v1/namespaces/${namespace}/deployments`;

async function listed(context: Context, limits: Limits, wanted: Inputs): Promise<KubeObject[]> {
  const labelSelector = "app.kubernetes.io/part-of=flux";
  const found = await context.pool
    .cluster()
    .objects(limits)
    .list(pathOf(wanted), { labelSelector });
  // The items of a list have no kind.
  return found.map((one) => ({ ...one, kind: "Deployment" }));
}

function stateOf(context: Context, all: readonly KubeObject[]): State | undefined {
  if (all.length === 0) return undefined;
  const status = all.every((one) => unmetBy(one) === undefined) ? "ready" : "not ready";
  const isFlux = all.some(({ metadata }) => isOwnedByFlux(metadata.labels));
  const areOurs = all.some(({ metadata }) => isOurs(metadata.labels, context.urn));
  return { status, owner: isFlux ? "flux" : areOurs ? "pulumi" : "foreign" };
}

function refuseForeign(wanted: Inputs, observed: State | undefined): void {
  if (observed?.owner !== "foreign") return;
  throw new ProviderError(
    "foreign",
    `Flux runs in ${wanted.namespace} already, and neither this stack nor a Kustomization made it`,
    "Add its manifests to the path of a Kustomization, so that Flux applies them, or remove it.",
  );
}

/** The file of the digest. It may have changed since the program read it. */
async function objectsIn({ manifests, digest }: Inputs): Promise<Applied[]> {
  const text = textOf(manifests);
  if (createHash("sha256").update(text).digest("hex") !== digest) {
    throw new ProviderError("stale", `${manifests} has changed during this run`, "Run up again.");
  }
  return (await yamlDocuments(text)).flatMap((value, index) => {
    if (value === null) return [];
    const parsed = kubeObject.safeParse(value);
    if (parsed.success) return [parsed.data];
    throw new ProviderError(
      "input",
      `${manifests}: document ${index + 1} is no Kubernetes object`,
      "Write it by: flux install --export.",
    );
  });
}

function textOf(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch (error) {
    throw new ProviderError(
      "input",
      `${file} can't be read: ${messageOf(error)}`,
      "Run up on a machine that has the checkout of the site's repository.",
    );
  }
}

async function converge(context: Context, wanted: Inputs): Promise<State> {
  const limits = within(context, context.workSeconds);
  const before = stateOf(context, await listed(context, limits, wanted));
  refuseForeign(wanted, before);
  if (before?.owner === "flux") return before;
  const applier = new Applier(context.pool.cluster(), limits, MANAGER);
  const objects = inOrder(await objectsIn(wanted));
  for (const object of objects) {
    context.status(`applying ${object.kind} ${object.metadata.name}`);
    await applier.apply(owned(object, context.urn));
  }
  await whenAvailable(context, limits, wanted, objects);
  const after = stateOf(context, await listed(context, limits, wanted));
  return after ?? { status: "not ready", owner: "pulumi" };
}

/** kustomize-controller removes the labels, since the tree does not have them. */
function owned(object: Applied, urn: string): Applied {
  const labels = { ...object.metadata.labels, ...ownerLabels(urn) };
  return { ...object, metadata: { ...object.metadata, labels } };
}

async function whenAvailable(
  context: Context,
  { deadline }: Limits,
  wanted: Inputs,
  applied: readonly Applied[],
): Promise<void> {
  const deployments = applied.filter(({ kind }) => kind === "Deployment");
  await awaitGates(context, context.pool.cluster(), {
    name: "Flux",
    gates: deployments.map(({ kind, metadata: { name, namespace = wanted.namespace } }) =>
      workloadReady({ kind, name, namespace, path: `${pathOf(wanted)}/${name}` }),
    ),
    seconds: Math.max(1, Math.floor((deadline - Date.now()) / 1000)),
    remedy: "Mend what the reasons name, then run up again.",
    place: `cluster ${context.pool.cluster().config.name}`,
  });
}

export const fluxControllers: Resource<Inputs, State> = {
  type: "FluxControllers",
  description:
    "The controllers and kinds of Flux. The manifests are applied until Flux applies them " +
    "itself. Removing the resource changes nothing.",
  inputs,
  outputs,
  timeoutSeconds: 900,
  immutable: { namespace: "Flux can't be moved." },
  incidental: ["manifests"],
  mirrored: [],
  id: ({ namespace }) => namespace,

  drift: ({ status, owner }) => (owner === "pulumi" && status !== "ready" ? ["status"] : []),

  predict: (_wanted, state) => ({ status: "ready", owner: state?.owner ?? "pulumi" }),

  explain: ({ inputs: { manifests }, observed }) =>
    observed?.owner === "flux"
      ? `${manifests}: Flux applies it when it is pushed; nothing is changed here`
      : undefined,

  async observe(context, wanted, recorded) {
    try {
      const limits = within(context, LOOK_SECONDS);
      const all = await named(context, () => listed(context, limits, wanted));
      return stateOf(context, all);
    } catch (error) {
      // A preview of a cluster that does not exist yet.
      if (recorded === undefined && isLinkLost(error)) return undefined;
      throw error;
    }
  },

  refuse: (_context, wanted, observed) => refuseForeign(wanted, observed),

  converge: (context, wanted) => named(context, () => converge(context, wanted)),

  remove: () => Promise.resolve(),
};

function named<T>(context: Context, work: () => Promise<T>): Promise<T> {
  return translating("Flux", context.pool.cluster().config.name, work);
}
