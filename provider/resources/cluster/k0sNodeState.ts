/** The inputs and the outputs of `K0sNode`, and what the cluster's API says about a member. */
import { z } from "zod";
import { K0S_ROLES } from "../../../contract/names";
import type { EtcdMember, KubeNode } from "../../cluster/kube/objects";
import { CORDONED } from "../../cluster/drain/drain";
import { marksOn } from "../../cluster/nodeMarks";
import { isHealthy, isListed } from "../../cluster/observed";
import type { Observed } from "../../cluster/observed";
import { host, machineId, name, renamedFrom, storePath } from "../shared/fields";

export const inputs = z.object({
  host,
  renamedFrom,
  machineId,
  name: name.describe("Name of the VM."),
  hostName: z
    .string()
    .regex(/^[a-z0-9]([a-z0-9-]*[a-z0-9])?$/, "must be a host name in lower case")
    .describe("The guest's host name: its name in Kubernetes and etcd."),
  address: z.ipv4().describe("The guest's IPv4 address."),
  role: z.enum(K0S_ROLES).meta({ id: "K0sRole" }).describe("What the member does."),
  cluster: z.string().min(1).describe("Name of the cluster."),
  labels: z
    .record(z.string(), z.string())
    .default({})
    .describe("Labels of the node. Others are left as they are."),
  taints: z
    .array(z.string().regex(/^[^=:\s]+(=[^:\s]*)?:(NoSchedule|PreferNoSchedule|NoExecute)$/))
    .default([])
    .describe("Taints of the node: `key=value:Effect`. Others are left as they are."),
  closure: storePath.describe("The guest's system."),
  k0sUnit: z.string().describe("Hash of the k0s unit: if it changes, k0s restarts."),
  k0sVersion: z.string().describe("Version of k0s: `1.36.3+k0s.2`."),
});
export type Inputs = z.infer<typeof inputs>;

export const outputs = z.object({
  status: z
    .string()
    .describe(
      "ready; not ready; incomplete: a join or a leave was interrupted; cordoned: a drain was.",
    ),
  memberId: z.string().describe("Id of the member of etcd. Empty: it has no vote."),
  labels: z.record(z.string(), z.string()).describe("The labels that the site manages."),
  taints: z.array(z.string()).describe("The taints that the site manages."),
});
export type State = z.infer<typeof outputs>;

/** What the cluster lists of a member. */
export interface Listed {
  node: KubeNode | undefined;
  etcd: EtcdMember | undefined;
}

type Named = Pick<Inputs, "name" | "hostName">;

/** A member that has left the site is listed by its host name. */
export function keyOf({ name: vm, hostName }: Named, { nodes, etcd }: Observed): string {
  return nodes.has(vm) || etcd.has(vm) ? vm : hostName;
}

export function listedOf(wanted: Named, observed: Observed): Listed {
  const key = keyOf(wanted, observed);
  return { node: observed.nodes.get(key), etcd: observed.etcd.get(key) };
}

export function isReady(wanted: Named & Pick<Inputs, "role">, observed: Observed): boolean {
  return isHealthy(keyOf(wanted, observed), wanted.role, observed);
}

/** Undefined: the cluster knows nothing of it. Objects of a member that left do not count. */
export function stateOf(wanted: Inputs, observed: Observed): State | undefined {
  const { node, etcd } = listedOf(wanted, observed);
  if (node === undefined && etcd?.isJoined !== true) return undefined;
  return {
    status: statusOf(wanted, observed, node),
    memberId: etcd?.isJoined === true ? etcd.memberId : "",
    ...(node === undefined ? { labels: {}, taints: [] } : marksOn(node, wanted)),
  };
}

function statusOf(wanted: Inputs, observed: Observed, node: KubeNode | undefined): string {
  if (!isListed(keyOf(wanted, observed), wanted.role, observed)) return "incomplete";
  if (!isReady(wanted, observed)) return "not ready";
  return node?.annotations[CORDONED] === undefined ? "ready" : "cordoned";
}
