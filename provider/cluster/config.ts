/** The cluster in the provider's configuration: its members, and how they are drained. Pure. */
import { z } from "zod";
import { K0S_ROLES } from "../../contract/names";

/** Of the API, on each controller and at the endpoint. */
export const API_PORT = 6443;

const member = z
  .object({
    host: z.string().describe("Name of its hypervisor in `hosts`."),
    address: z.ipv4().describe("The guest's IPv4 address."),
    role: z.enum(K0S_ROLES).meta({ id: "K0sRole" }).describe("What the member does."),
    hostName: z
      .string()
      .optional()
      .describe("The guest's host name: its name in Kubernetes and etcd. Default: the VM's name."),
  })
  .meta({ id: "ClusterMember" });

const choice = z.enum(["refuse", "delete"]).meta({ id: "DrainChoice" });

const drainConfig = z
  .object({
    timeoutSeconds: z.int().min(1).default(600).describe("Limit of one drain. Default: 600."),
    localStorage: choice
      .default("refuse")
      .describe("What a drain does with pods that have an emptyDir volume. Default: refuse."),
    unmanagedPods: choice
      .default("refuse")
      .describe("What a drain does with pods that no controller creates again. Default: refuse."),
  })
  .meta({ id: "Drain" });

export const clusterSchema = z
  .object({
    name: z.string().min(1).describe("Name of the cluster."),
    members: z.record(z.string(), member).describe("VM -> where it is, and what it does."),
    maxUnavailable: z
      .int()
      .min(1)
      .default(1)
      .describe("How many members may be down at the same time. Default: 1."),
    drain: drainConfig,
  })
  .meta({ id: "Cluster" });
export type ClusterConfig = z.infer<typeof clusterSchema>;
export type ClusterMember = z.infer<typeof member>;
export type DrainConfig = z.infer<typeof drainConfig>;
