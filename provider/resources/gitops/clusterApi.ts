/**
 * `ClusterApi`: the API of the cluster as this machine reaches it, without the hypervisors. Objects
 * of @pulumi/kubernetes depend on it. That plugin keeps their recorded state if it can't reach the
 * API, also in an `up`, without an error. Here the same is drift: a preview shows it, and the
 * update waits for the API and fails without it.
 */
import { connect } from "node:net";
import { X509Certificate } from "node:crypto";
import { z } from "zod";
import { API_PORT } from "../../cluster/config";
import { ApiConnection } from "../../cluster/kube/connection";
import { untilReachable } from "../../cluster/waiting";
import { ProviderError, isLinkLost, messageOf } from "../../errors";
import { within } from "../../hosts/wait/wait";
import type { Limits } from "../../hosts/wait/wait";
import { printable } from "../../hosts/transport/printable";
import type { Context, Resource } from "../../resource";
import { caFingerprint } from "../shared/fields";

const LOOK_SECONDS = 20;

const inputs = z.object({
  cluster: z.string().min(1).describe("Name of the cluster."),
  endpoint: z.string().min(1).describe("Where clients reach the API: address or DNS name."),
  caFingerprint: caFingerprint.describe("SHA-256 of the CA's certificate: AB:CD:..."),
});
type Inputs = z.infer<typeof inputs>;

const outputs = z.object({
  status: z
    .string()
    .describe("ready; unreachable: the API does not answer to this machine at its endpoint."),
});
type State = z.infer<typeof outputs>;

/** Rejects with `unreachable`, and names the way that failed. */
async function look(context: Context, wanted: Inputs, limits: Limits): Promise<State> {
  const { endpoint, caFingerprint, cluster } = wanted;
  const identity = await context.pool.cluster().identity({ ...context, ...limits });
  const { fingerprint256 } = new X509Certificate(identity.ca);
  if (fingerprint256 !== caFingerprint) {
    throw new ProviderError(
      "wrong-machine",
      `${cluster}: its CA is ${fingerprint256}, not ${caFingerprint}: this is another cluster`,
    );
  }
  const open = (_limits: Limits, port: number) =>
    Promise.resolve(connect({ host: endpoint, port, signal: limits.signal }));
  const connection = new ApiConnection({ name: cluster, address: endpoint, open }, identity);
  try {
    const request = { method: "GET", path: "/readyz", headers: {} };
    const { status } = await connection.request(limits, request);
    if (status === 200) return { status: "ready" };
    throw new Error(`HTTP status ${status}`);
  } catch (error) {
    if (context.signal.aborted) throw error;
    throw new ProviderError(
      "unreachable",
      `${cluster}: this machine can't reach the API at ${endpoint}:${API_PORT}: ` +
        printable(messageOf(error)),
      `Check the route from here to ${endpoint}. Objects in the cluster are made over it.`,
      `cluster ${cluster}`,
    );
  } finally {
    connection.close();
  }
}

function whenReady(context: Context, wanted: Inputs): Promise<State> {
  const doing = `waiting for the API at ${wanted.endpoint}:${API_PORT}`;
  const call = { ...context, ...within(context, context.workSeconds) };
  return untilReachable(call, { name: wanted.cluster, doing }, () =>
    look(context, wanted, within(context, LOOK_SECONDS)),
  );
}

export const clusterApi: Resource<Inputs, State> = {
  type: "ClusterApi",
  description:
    "The API of the cluster, as this machine reaches it at its endpoint. Objects in the cluster " +
    "depend on it. Removing the resource changes nothing.",
  inputs,
  outputs,
  timeoutSeconds: 180,
  immutable: {},
  mirrored: [],
  id: ({ cluster }) => cluster,
  drift: ({ status }) => (status === "ready" ? [] : ["status"]),
  predict: () => ({ status: "ready" }),

  explain: ({ isNew, inputs: { endpoint }, observed }) =>
    isNew || observed?.status === "ready"
      ? undefined
      : `the API at ${endpoint}:${API_PORT} does not answer: this preview shows what is recorded ` +
        "of the objects in the cluster, and an up waits for the API before it changes them",

  async observe(context, wanted, recorded) {
    try {
      return await look(context, wanted, within(context, LOOK_SECONDS));
    } catch (error) {
      if (!isLinkLost(error)) throw error;
      // A preview of a cluster that does not exist yet.
      if (recorded === undefined) return undefined;
      context.log.warning(context.urn, error.what);
      return { status: "unreachable" };
    }
  },

  converge: (context, wanted) => whenReady(context, wanted),

  remove: () => Promise.resolve(),
};
