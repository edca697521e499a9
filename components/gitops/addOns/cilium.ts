/**
 * Cilium: the network of the pods. Nodes become Ready by it, so it does not wait for them to join,
 * and everything else in the cluster waits for it.
 */
import type * as pulumi from "../../pulumi";
import { AddOn } from "./addOn";
import type { AddOnArgs, Values } from "./addOn";

export interface CiliumArgs extends Pick<AddOnArgs, "seed" | "after"> {
  cluster: { name: string; endpoint: string; nodeLocalLoadBalancing: boolean };
  /** How many VMs have a node. */
  nodes: number;
}

/** k0s's load balancer on each node. */
const LOCAL = { k8sServiceHost: "localhost", k8sServicePort: 7443 };
const API_PORT = 6443;

export class Cilium extends AddOn {
  constructor({ cluster, nodes, ...args }: CiliumArgs, opts?: pulumi.ComponentResourceOptions) {
    const more = { cluster: cluster.name, gate: { nodes: true }, defaults: values(cluster, nodes) };
    super("Cilium", { ...args, ...more }, opts);
  }
}

/** What k0s without kube-proxy and NixOS require. */
function values(
  { endpoint, nodeLocalLoadBalancing }: CiliumArgs["cluster"],
  nodes: number,
): Values {
  const api = nodeLocalLoadBalancing
    ? LOCAL
    : { k8sServiceHost: endpoint, k8sServicePort: API_PORT };
  return {
    ...api,
    kubeProxyReplacement: true,
    // Else Cilium has a pod network of its own.
    ipam: { mode: "kubernetes" },
    operator: { replicas: Math.min(2, Math.max(1, nodes)) },
    // systemd has mounted them.
    bpf: { autoMount: { enabled: false } },
    cgroup: { autoMount: { enabled: false }, hostRoot: "/sys/fs/cgroup" },
  };
}
