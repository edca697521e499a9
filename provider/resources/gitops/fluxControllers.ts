/**
 * `FluxControllers`: Flux's controllers and its kinds, from the manifests in the GitOps tree. They
 * are applied until Flux applies them itself; from then on they are only reported.
 */
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { isAbsolute } from "node:path";
import { parseAllDocuments } from "yaml";
import { z } from "zod";
import { translating } from "../../cluster/kube/failure";
import { ProviderError, isLinkLost, messageOf } from "../../errors";
import { Applier, inOrder, kubeObject } from "../../gitops/apply";
import type { Applied } from "../../gitops/apply";
import { deployment, isAvailable, isOwnedByFlux } from "../../gitops/fluxObjects";
import type { Deployment } from "../../gitops/fluxObjects";
import { Wait, pause, within } from "../../hosts/wait/wait";
import type { Limits } from "../../hosts/wait/wait";
import type { Context, Resource } from "../../resource";
import { kubeName } from "./gitSeedState";

const LOOK_SECONDS = 60;
const POLL_MS = 2_000;
/**
 * kustomize-controller takes the fields of this manager over when it applies the objects first
 * (kustomize-controller internal/controller/kustomization_controller.go), so that none is left.
 */
const MANAGER = "kubectl";
/** On each object, until Flux applies it. */
const OWNER = "pulumi-microvm/owner";

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

async function listed(context: Context, limits: Limits, wanted: Inputs): Promise<Deployment[]> {
  const path = `/apis/apps/v1/namespaces/${wanted.namespace}/deployments`;
  const api = await context.pool.cluster().objects(limits);
  const found = await api.list(path, { labelSelector: "app.kubernetes.io/part-of=flux" });
  return found.map((one) => deployment.parse(one));
}

function stateOf(context: Context, all: readonly Deployment[]): State | undefined {
  if (all.length === 0) return undefined;
  const status = all.every(isAvailable) ? "ready" : "not ready";
  const isFlux = all.some(({ metadata }) => isOwnedByFlux(metadata.labels));
  const isOurs = all.some(({ metadata }) => metadata.annotations[OWNER] === context.urn);
  return { status, owner: isFlux ? "flux" : isOurs ? "pulumi" : "foreign" };
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
function objectsIn({ manifests, digest }: Inputs): Applied[] {
  const text = textOf(manifests);
  if (createHash("sha256").update(text).digest("hex") !== digest) {
    throw new ProviderError("stale", `${manifests} has changed during this run`, "Run up again.");
  }
  return parseAllDocuments(text).flatMap((document, index) => {
    const value: unknown = document.toJS();
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
  for (const object of inOrder(objectsIn(wanted))) {
    context.status(`applying ${object.kind} ${object.metadata.name}`);
    await applier.apply(owned(object, context.urn));
  }
  return whenAvailable(context, limits, wanted);
}

function owned(object: Applied, urn: string): Applied {
  const annotations = { ...object.metadata.annotations, [OWNER]: urn };
  return { ...object, metadata: { ...object.metadata, annotations } };
}

async function whenAvailable(context: Context, limits: Limits, wanted: Inputs): Promise<State> {
  const wait = new Wait("Flux", limits);
  wait.doing = () => "waiting for the controllers of Flux";
  for (;;) {
    const all = await listed(context, limits, wanted);
    const state = stateOf(context, all);
    if (state?.status === "ready") return state;
    wait.cause = all
      .filter((one) => !isAvailable(one))
      .map(unavailability)
      .join("; ");
    context.status(`waiting for the controllers of Flux: ${wait.cause}`);
    await pause(POLL_MS, wait.signal);
    if (wait.signal.aborted) throw wait.over();
  }
}

function unavailability({ metadata, spec, status }: Deployment): string {
  const why = status.conditions.find(
    ({ type, status: is }) => type === "Available" && is !== "True",
  );
  const available = `${status.availableReplicas} of ${spec.replicas} available`;
  return `${metadata.name}: ${available}${why === undefined ? "" : ` (${why.message})`}`;
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
