/** The members of the cluster by what its API lists. Pure. */
import { isController, isWorker } from "../../contract/names";
import type { K0sRole } from "../../contract/names";
import type { ClusterConfig } from "./config";
import type { EtcdMember, KubeNode } from "./kube/objects";
import type { ObservedMember } from "./members";

/** By the names of VMs. What is no VM of the site has its own name. */
export interface Observed {
  nodes: ReadonlyMap<string, KubeNode>;
  etcd: ReadonlyMap<string, EtcdMember>;
  /** Controllers of the site whose API answers. */
  answering: ReadonlySet<string>;
}

/** Labels that k0s sets on the node of a controller. */
const CONTROL_PLANE = "node-role.kubernetes.io/control-plane";

/**
 * Members of the site and others that the cluster lists. What they run is unknown here, and so is
 * whether one that is down has lost its data.
 */
export function membersOf(
  { members: configured }: Pick<ClusterConfig, "members">,
  observed: Observed,
): ObservedMember[] {
  const joined = [...observed.etcd].filter(([, { isJoined }]) => isJoined);
  const names = new Set([...joined.map(([name]) => name), ...observed.nodes.keys()]);
  return [...names].map((name): ObservedMember => {
    const role = configured[name]?.role ?? roleOf(name, observed);
    const isVoter = observed.etcd.get(name)?.isJoined === true;
    return {
      name,
      role,
      ...(isVoter && { etcd: "voter" as const }),
      isHealthy: isHealthy(name, role, observed),
      hasLostData: false,
      runs: undefined,
    };
  });
}

/** The API of a controller answers, and the node of what runs workloads is Ready. */
export function isHealthy(name: string, role: K0sRole, observed: Observed): boolean {
  const { nodes, etcd, answering } = observed;
  const controls = etcd.get(name)?.isJoined === true && answering.has(name);
  const works = nodes.get(name)?.isReady === true;
  return (!isController(role) || controls) && (!isWorker(role) || works);
}

/** All of the membership is there: in etcd, and as a node. */
export function isListed(name: string, role: K0sRole, { nodes, etcd }: Observed): boolean {
  const controls = etcd.get(name)?.isJoined === true;
  return (!isController(role) || controls) && (!isWorker(role) || nodes.has(name));
}

function roleOf(name: string, { nodes, etcd }: Observed): K0sRole {
  const node = nodes.get(name);
  if (etcd.get(name)?.isJoined === true) return node ? "controller+worker" : "controller";
  return node?.labels[CONTROL_PLANE] === undefined ? "worker" : "controller+worker";
}
