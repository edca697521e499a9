/** What users write about the k0s cluster, in zod. */
import { z } from "zod";
import { K0S_ROLES } from "../contract/names";
import * as cluster from "./clusterScalars";
import { cidr, duration, name } from "./scalars";
import { choice, demand, flag } from "./schemaParts";

const api = z
  .strictObject({
    endpoint: cluster.apiName
      .optional()
      .describe(
        "Address or DNS name at which clients reach the API, port 6443: a virtual IP, a load " +
          "balancer, or a controller. Default: the address of the only controller; required with " +
          "more than one.",
      ),
    sans: z
      .array(cluster.apiName)
      .optional()
      .describe("More names of the API's certificate. The endpoint is one anyway. Default: none."),
  })
  .describe("How clients reach the API.");

const networks = z
  .strictObject({
    pods: cidr
      .optional()
      .describe("Network of the pods; each node takes a /24 of it. Default: 10.244.0.0/16."),
    services: cidr.optional().describe("Network of the services. Default: 10.96.0.0/12."),
  })
  .describe("Networks inside the cluster. They cannot change once the cluster exists.");

const drain = z
  .strictObject({
    timeout: duration.optional().describe("Time limit for draining one node. Default: 10m."),
    localStorage: choice("refuse", "delete").describe(
      "Pods with an emptyDir volume, whose content is lost with the pod. refuse (default): the " +
        "drain fails and names them; delete: they are evicted.",
    ),
    unmanagedPods: choice("refuse", "delete").describe(
      "Pods that no controller creates again. refuse (default): the drain fails and names them; " +
        "delete: they are evicted.",
    ),
  })
  .describe(
    "How a node is drained. PodDisruptionBudgets are always respected; pods of DaemonSets stay.",
  );

export const clusterSchema = demand(
  z.strictObject({
    name: name.optional().describe("Name of the cluster, also in the kubeconfig. Cannot change."),
    k0sVersion: cluster.k0sMinor
      .optional()
      .describe('Minor version of k0s, in quotes: "1.36". The flake pins the patch version.'),
    api: api.optional(),
    network: networks.optional(),
    nodeLocalLoadBalancing: flag.describe(
      "A load balancer on each worker for the API and for konnectivity, so that workers survive " +
        "the loss of a controller. Cannot change once the cluster exists. Default: true.",
    ),
    caFingerprint: cluster.fingerprint
      .optional()
      .describe(
        "SHA-256 fingerprint of the cluster's CA certificate (/var/lib/k0s/pki/ca.crt). Takes " +
          "over a running cluster that was made by other means. Default: none.",
      ),
    maxUnavailable: z
      .int()
      .min(1)
      .max(1000)
      .optional()
      .describe("How many members may be down at the same time. Default: 1."),
    drain: drain.optional(),
  }),
  "name",
  "k0sVersion",
).describe("The k0s cluster of the VMs that have a role. Required if a VM has one.");

/** Keys of a VM that is a member. */
export const member = {
  role: choice(...K0S_ROLES).describe("k0s role. Default: none."),
  labels: z
    .record(cluster.labelKey, cluster.labelValue)
    .optional()
    .describe(
      "Labels of the Kubernetes node. They are set through the API; a change restarts nothing. " +
        "Not for pure controllers, which have no node.",
    ),
  taints: z
    .array(cluster.taint)
    .optional()
    .describe(
      "Taints of the Kubernetes node: dedicated=gpu:NoSchedule. They are set through the API. " +
        "Not for pure controllers.",
    ),
};

export type ClusterFile = z.infer<typeof clusterSchema>;
