/**
 * The lists that each pass reads. They are plain requests: @kubernetes/client-node takes more time
 * to load than everything else that a pass reads of a cluster.
 */
import type { Limits } from "../../hosts/wait/wait";
import type { Controllers } from "./controllers";
import { ObjectClient } from "./objectClient";
import { etcdMembersOf, node, nodeOf } from "./objects";
import type { EtcdMember, KubeNode } from "./objects";

/** Objects of a list that the API sends at once. */
export const PAGE = 500;

export const ETCD_MEMBERS = {
  group: "etcd.k0sproject.io",
  version: "v1beta1",
  plural: "etcdmembers",
};

export async function listNodes(controllers: Controllers, limits: Limits): Promise<KubeNode[]> {
  const objects = new ObjectClient(controllers, limits);
  const nodes = await objects.list("/api/v1/nodes", { limit: String(PAGE) });
  return nodes.map((one) => nodeOf(node.parse(one)));
}

export async function listEtcdMembers(
  controllers: Controllers,
  limits: Limits,
): Promise<EtcdMember[]> {
  const { group, version, plural } = ETCD_MEMBERS;
  const path = `/apis/${group}/${version}/${plural}`;
  // Without the kind there is no etcd that k0s manages, which is an error here.
  const headers = { accept: "application/json" };
  const { body } = await controllers.request(limits, { method: "GET", path, headers });
  return etcdMembersOf(JSON.parse(body));
}
