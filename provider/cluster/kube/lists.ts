/**
 * The lists that each pass reads. They are plain requests: @kubernetes/client-node takes more time
 * to load than everything else that a pass reads of a cluster.
 */
import type { z } from "zod";
import type { Limits } from "../../hosts/wait/wait";
import type { Controllers } from "./controllers";
import { etcdMembersOf, nodeList, nodeOf } from "./objects";
import type { EtcdMember, KubeNode } from "./objects";

/** Objects of a list that the API sends at once. */
export const PAGE = 500;

export const ETCD_MEMBERS = {
  group: "etcd.k0sproject.io",
  version: "v1beta1",
  plural: "etcdmembers",
};

export async function listNodes(controllers: Controllers, limits: Limits): Promise<KubeNode[]> {
  const nodes: KubeNode[] = [];
  let from = "";
  do {
    const more = from === "" ? "" : `&continue=${encodeURIComponent(from)}`;
    const path = `/api/v1/nodes?limit=${PAGE}${more}`;
    const page: z.infer<typeof nodeList> = nodeList.parse(await get(controllers, limits, path));
    nodes.push(...page.items.map(nodeOf));
    from = page.metadata?.continue ?? "";
  } while (from !== "");
  return nodes;
}

export async function listEtcdMembers(
  controllers: Controllers,
  limits: Limits,
): Promise<EtcdMember[]> {
  const { group, version, plural } = ETCD_MEMBERS;
  return etcdMembersOf(await get(controllers, limits, `/apis/${group}/${version}/${plural}`));
}

async function get(controllers: Controllers, limits: Limits, path: string): Promise<unknown> {
  const headers = { accept: "application/json" };
  const { body } = await controllers.request(limits, { method: "GET", path, headers });
  return JSON.parse(body);
}
