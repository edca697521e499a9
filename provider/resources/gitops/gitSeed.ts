/**
 * `GitSeed`: the user's repository as a branch of the Git server in the cluster. It is pushed as a
 * fast-forward, never by force. After the hand-over people push to the server themselves, so a
 * branch that is ahead is no drift.
 */
import { ProviderError, isLinkLost } from "../../errors";
import { Commits } from "../../gitops/git/commits";
import type { Destination, Relation } from "../../gitops/git/commits";
import { GitServer, repositoryOf } from "../../gitops/git/gitServer";
import { ServiceStreams } from "../../gitops/git/streams";
import { translating } from "../../cluster/kube/failure";
import { untilReachable } from "../../cluster/waiting";
import { within } from "../../hosts/wait/wait";
import type { Context, Resource } from "../../resource";
import { UNKNOWN } from "../../wire";
import { inputs, outputs } from "./gitSeedState";
import type { Inputs, State } from "./gitSeedState";

const LOOK_SECONDS = 60;

/** Runs the work with the Git server, and closes its connection. */
async function withServer<T>(
  context: Context,
  wanted: Inputs,
  seconds: number,
  work: (to: Destination) => Promise<T>,
): Promise<T> {
  const { namespace, service, port, user, password, branch } = wanted;
  const cluster = context.pool.cluster();
  const title = `${namespace}/${service}`;
  const streams = new ServiceStreams(cluster, { namespace, service, port });
  const account = { user, password };
  const server = new GitServer(title, streams, account, within(context, seconds));
  try {
    return await translating(title, cluster.config.name, () =>
      work({ server, repository: repositoryOf(wanted.repository), branch }),
    );
  } finally {
    server.close();
  }
}

/** One list of heads, and a question about a head that somebody moved. */
async function stateOf(
  { server, repository, branch }: Destination,
  wanted: Inputs,
  recorded: State | undefined,
): Promise<State> {
  const seeded = recorded?.seeded ?? "";
  const heads = await server.heads(repository);
  if (heads === undefined) return { status: "absent", seeded };
  const head = heads.get(branch);
  if (head === undefined) return { status: "empty", seeded };
  if (head === wanted.commit) return { status: "seeded", seeded: head };
  const isContained =
    head === seeded || (seeded !== "" && (await server.isAncestor(repository, seeded, head)));
  return { status: isContained ? "seeded" : "differs", seeded };
}

async function observe(
  context: Context,
  wanted: Inputs,
  recorded: State | undefined,
): Promise<State | undefined> {
  try {
    return await withServer(context, wanted, LOOK_SECONDS, (to) => stateOf(to, wanted, recorded));
  } catch (error) {
    // Before its creation the server may not exist either.
    if (recorded === undefined && isLinkLost(error)) return undefined;
    throw error;
  }
}

interface Compared {
  head: string;
  relation: Relation;
}

/** Undefined: nothing is known of the branch, or it does not exist. */
async function compared(
  context: Context,
  wanted: Inputs,
  observed: State | undefined,
): Promise<Compared | undefined> {
  if (observed === undefined) return undefined;
  const { user, password, branch, commit } = wanted;
  return withServer(context, wanted, LOOK_SECONDS, async (to) => {
    const head = (await to.server.heads(to.repository))?.get(branch);
    if (head === undefined) return undefined;
    if (head === commit) return { head, relation: "equal" };
    return Commits.with(context, wanted, { user, password }, async (commits) => ({
      head,
      relation: await commits.relation(context, to, head),
    }));
  });
}

function refuseDiverged(wanted: Inputs, found: Compared | undefined): void {
  if (found?.relation !== "diverged") return;
  const { repository, branch, commit } = wanted;
  throw new ProviderError(
    "foreign",
    `${repository}: its branch ${branch} at ${found.head} and the site's repository at ${commit} ` +
      "have diverged; nothing was pushed",
    `Fetch ${branch} from the Git server, merge it, and run up again. Nothing is pushed by force.`,
  );
}

async function explain(
  context: Context,
  wanted: Inputs,
  observed: State | undefined,
): Promise<string> {
  const { repository, branch } = wanted;
  const left = await Commits.with(context, wanted, undefined, (commits) =>
    commits.leftOut(context),
  );
  for (const line of left) context.log.warning(context.urn, `${repository}: ${line}`);
  const short = wanted.commit.slice(0, 12);
  const found = await compared(context, wanted, observed);
  switch (found?.relation) {
    case "equal":
      return `${repository}: ${branch} is at ${short} already`;
    case "ahead":
      return aheadOf(wanted, found.head);
    default:
      return `${repository}: ${short} is pushed to ${branch}`;
  }
}

function aheadOf({ repository, branch, commit }: Inputs, head: string): string {
  return (
    `${repository}: ${branch} at ${head.slice(0, 12)} is ahead of the site's repository at ` +
    `${commit.slice(0, 12)}: nothing is pushed. Merge ${branch} into the site's repository`
  );
}

/** A new cluster has no konnectivity agent and no ready pod for a while. */
async function whenReachable(context: Context, { server, repository }: Destination): Promise<void> {
  const doing = `waiting for the Git server ${server.title}`;
  const call = { ...context, ...within(context, context.workSeconds) };
  await untilReachable(call, { name: server.title, doing }, () => server.heads(repository));
}

async function converge(context: Context, wanted: Inputs): Promise<State> {
  const { commit, branch, user, password } = wanted;
  return withServer(context, wanted, context.workSeconds, async (to) => {
    const { server, repository } = to;
    await whenReachable(context, to);
    await server.ensureRepository(repository, branch);
    const head = (await server.heads(repository))?.get(branch);
    const seeded: State = { status: "seeded", seeded: commit };
    if (head === commit) return seeded;
    const limits = within(context, context.workSeconds);
    return Commits.with(limits, wanted, { user, password }, async (commits) => {
      if (head !== undefined) {
        const found = { head, relation: await commits.relation(limits, to, head) };
        refuseDiverged(wanted, found);
        if (found.relation === "ahead") {
          context.log.warning(context.urn, aheadOf(wanted, head));
          return seeded;
        }
      }
      await commits.push(limits, to);
      return seeded;
    });
  });
}

export const gitSeed: Resource<Inputs, State> = {
  type: "GitSeed",
  description:
    "The user's repository as a branch of the Git server in the cluster. It is pushed as a " +
    "fast-forward, never by force. Removing the resource leaves the repository as it is.",
  inputs,
  outputs,
  timeoutSeconds: 900,
  immutable: {},
  /** They differ between machines and between commits of equal content. */
  incidental: ["directory", "commit"],
  mirrored: [],
  id: ({ namespace, service, repository }) => `${namespace}/${service}/${repository}`,

  drift: ({ status }) => (status === "seeded" ? [] : ["status"]),

  /** The commit may differ between the review of a plan and its run. Its content may not. */
  predict: ({ commit }, state) => ({
    status: "seeded",
    seeded: state?.seeded === commit ? commit : UNKNOWN,
  }),

  explain: ({ inputs: wanted, observed }, context) => explain(context, wanted, observed),

  observe,

  async refuse(context, wanted, observed) {
    refuseDiverged(wanted, await compared(context, wanted, observed));
  },

  converge: (context, wanted) => converge(context, wanted),

  remove: () => Promise.resolve(),
};
