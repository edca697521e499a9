/**
 * `FluxHandOver`: waits until Flux runs what was pushed. It changes nothing that Flux owns, except
 * that it requests a reconciliation, as `flux reconcile` does.
 */
import { z } from "zod";
import { translating } from "../../cluster/kube/failure";
import type { ObjectApi } from "../../cluster/kube/objectClient";
import { ProviderError, isLinkLost } from "../../errors";
import { commitIn, fluxObject, unready } from "../../gitops/fluxObjects";
import type { FluxObject } from "../../gitops/fluxObjects";
import { awaitGates } from "../../gitops/gates/gate";
import type { Gate } from "../../gitops/gates/gate";
import { within } from "../../hosts/wait/wait";
import { printable } from "../../hosts/transport/printable";
import type { Context, Resource } from "../../resource";
import { kubeName } from "./gitSeedState";

const LOOK_SECONDS = 60;
const REQUESTED_AT = "reconcile.fluxcd.io/requestedAt";

const inputs = z.object({
  namespace: kubeName.describe("Namespace of both objects."),
  gitRepository: kubeName.describe("Name of the GitRepository."),
  kustomization: kubeName.describe("Name of the root Kustomization."),
  revision: z
    .string()
    .regex(/^[0-9a-f]{40,64}$/, "must be a commit")
    .describe("The commit that was pushed. A change of it requests a reconciliation."),
});
type Inputs = z.infer<typeof inputs>;

const outputs = z.object({
  status: z.string().describe("ready: Flux has applied the revision; absent: an object is gone."),
  revision: z.string().describe("The commit at which both objects were ready."),
});
type State = z.infer<typeof outputs>;

interface Objects {
  gitRepository: FluxObject | undefined;
  kustomization: FluxObject | undefined;
}

function pathsOf({
  namespace,
  gitRepository,
  kustomization,
}: Inputs): Record<keyof Objects, string> {
  const group = (name: string): string =>
    `/apis/${name}.toolkit.fluxcd.io/v1/namespaces/${namespace}`;
  return {
    gitRepository: `${group("source")}/gitrepositories/${gitRepository}`,
    kustomization: `${group("kustomize")}/kustomizations/${kustomization}`,
  };
}

async function read(api: ObjectApi, wanted: Inputs): Promise<Objects> {
  const paths = pathsOf(wanted);
  const one = async (path: string): Promise<FluxObject | undefined> => {
    const found = await api.get(path);
    return found && fluxObject.parse(found);
  };
  const [gitRepository, kustomization] = await Promise.all([
    one(paths.gitRepository),
    one(paths.kustomization),
  ]);
  return { gitRepository, kustomization };
}

/** Undefined: Flux has applied a revision. Else what it waits for. */
function pending(wanted: Inputs, requestedAt: string, objects: Objects): string | undefined {
  const parts = [
    ["GitRepository", wanted.gitRepository, objects.gitRepository],
    ["Kustomization", wanted.kustomization, objects.kustomization],
  ] as const;
  for (const [kind, name, object] of parts) {
    const why = object === undefined ? "it does not exist" : unready(object, requestedAt);
    if (why !== undefined) return `${kind} ${wanted.namespace}/${name}: ${printable(why)}`;
  }
  const { artifact } = objects.gitRepository?.status ?? {};
  const applied = objects.kustomization?.status.lastAppliedRevision ?? "";
  if (artifact?.revision === applied) return undefined;
  return `Kustomization ${wanted.namespace}/${wanted.kustomization}: it has applied ${applied}`;
}

function refuseSuspended(wanted: Inputs, objects: Objects): void {
  const names = [
    ...(objects.gitRepository?.spec.suspend === true ? [`source git ${wanted.gitRepository}`] : []),
    ...(objects.kustomization?.spec.suspend === true
      ? [`kustomization ${wanted.kustomization}`]
      : []),
  ];
  if (names.length === 0) return;
  const commands = names.map((name) => `flux resume ${name} --namespace ${wanted.namespace}`);
  throw new ProviderError(
    "operation",
    `Flux is suspended: ${names.join(", ")}: it does not apply what was pushed`,
    `Run ${commands.join(" && ")}.`,
  );
}

async function handOver(context: Context, wanted: Inputs): Promise<State> {
  const cluster = context.pool.cluster();
  refuseSuspended(wanted, await read(cluster.objects(context), wanted));
  await awaitGates(context, cluster, {
    name: "Flux",
    gates: [applied(wanted)],
    seconds: context.workSeconds,
    place: `cluster ${cluster.config.name}`,
  });
  return reached(context, wanted, await read(cluster.objects(context), wanted));
}

/** Requests a reconciliation of both objects, each once, and waits for their answers. */
function applied(wanted: Inputs): Gate {
  const requestedAt = new Date().toISOString();
  const requested = new Set<string>();
  return {
    what: `Flux has applied ${wanted.revision.slice(0, 12)}`,
    async look(api) {
      const objects = await read(api, wanted);
      for (const [kind, path] of Object.entries(pathsOf(wanted))) {
        const exists = kind === "kustomization" ? objects.kustomization : objects.gitRepository;
        if (exists === undefined || requested.has(path)) continue;
        // The Kustomization must see the new artifact.
        if (kind === "kustomization" && !isFetched(objects, requestedAt)) continue;
        await api.patch(path, { metadata: { annotations: { [REQUESTED_AT]: requestedAt } } });
        requested.add(path);
      }
      const why = pending(wanted, requestedAt, objects);
      return why === undefined ? undefined : { why, about: [] };
    },
  };
}

function isFetched({ gitRepository }: Objects, requestedAt: string): boolean {
  return gitRepository !== undefined && unready(gitRepository, requestedAt) === undefined;
}

/** The branch may have moved on since the push. */
function reached(context: Context, wanted: Inputs, { kustomization }: Objects): State {
  const applied = commitIn(kustomization?.status.lastAppliedRevision ?? "");
  if (applied !== wanted.revision) {
    context.log.warning(context.urn, `Flux has applied ${applied}, not ${wanted.revision}`);
  }
  return { status: "ready", revision: wanted.revision };
}

export const fluxHandOver: Resource<Inputs, State> = {
  type: "FluxHandOver",
  description:
    "The hand-over of the cluster to Flux: its GitRepository and its root Kustomization are " +
    "ready at the pushed commit. Removing the resource changes nothing.",
  inputs,
  outputs,
  timeoutSeconds: 900,
  immutable: {},
  mirrored: [],
  id: ({ namespace, kustomization }) => `${namespace}/${kustomization}`,

  drift: ({ status }) => (status === "ready" ? [] : ["status"]),

  predict: ({ revision }) => ({ status: "ready", revision }),

  /** Readiness counts at the hand-over. Later it is Flux's own matter. */
  async observe(context, wanted, recorded) {
    if (recorded === undefined) return undefined;
    const objects = await look(context, wanted);
    const exists = objects.gitRepository !== undefined && objects.kustomization !== undefined;
    return { status: exists ? "ready" : "absent", revision: recorded.revision };
  },

  async refuse(context, wanted) {
    try {
      refuseSuspended(wanted, await look(context, wanted));
    } catch (error) {
      // A preview of a cluster that does not exist yet.
      if (!isLinkLost(error)) throw error;
    }
  },

  explain: ({ inputs: { revision }, observed }) =>
    observed?.revision === revision
      ? undefined
      : `Flux is asked to apply ${revision.slice(0, 12)}, and waited for`,

  converge: (context, wanted) => named(context, () => handOver(context, wanted)),

  remove: () => Promise.resolve(),
};

function look(context: Context, wanted: Inputs): Promise<Objects> {
  return named(context, async () =>
    read(context.pool.cluster().objects(within(context, LOOK_SECONDS)), wanted),
  );
}

function named<T>(context: Context, work: () => Promise<T>): Promise<T> {
  return translating("Flux", context.pool.cluster().config.name, work);
}
