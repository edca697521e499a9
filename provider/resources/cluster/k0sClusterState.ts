/** The inputs and the outputs of `K0sCluster`. */
import { z } from "zod";
import { K0S_ROLES } from "../../../contract/names";
import { caFingerprint, name, storePath } from "../shared/fields";

const member = z
  .object({
    host: name.describe("Name of its hypervisor in the provider's configuration."),
    address: z.ipv4().describe("The guest's IPv4 address."),
    role: z.enum(K0S_ROLES).meta({ id: "K0sRole" }).describe("What the member does."),
    closure: storePath.describe("The guest's system."),
    k0sUnit: z.string().describe("Hash of the k0s unit: if it changes, k0s restarts."),
    k0sVersion: z.string().describe("Version of k0s: `1.36.3+k0s.2`."),
  })
  .meta({ id: "K0sMember" });

export const inputs = z.object({
  name: z
    .string()
    .regex(/^[a-z0-9]([a-z0-9-]*[a-z0-9])?$/, "must be lower-case letters, digits and '-'")
    .describe("Name of the cluster."),
  endpoint: z.string().min(1).describe("Where clients reach the API: address or DNS name."),
  sans: z.array(z.string()).default([]).describe("More names of the API's certificate."),
  podNetwork: z.string().describe("Network of the pods."),
  serviceNetwork: z.string().describe("Network of the services."),
  nodeLocalLoadBalancing: z.boolean().describe("Workers have a load balancer for the API."),
  caFingerprint: caFingerprint
    .optional()
    .describe("Takes over the cluster with this CA. Default: none, the cluster is founded."),
  maxUnavailable: z
    .int()
    .min(1)
    .default(1)
    .describe("How many members may be down at the same time. Default: 1."),
  members: z.record(z.string(), member).describe("VM -> what it runs as a member."),
});
export type Inputs = z.infer<typeof inputs>;
export type Member = Inputs["members"][string];

export const outputs = z.object({
  caFingerprint: z.string().describe("SHA-256 of the CA's certificate: AB:CD:..."),
  founder: z.string().describe("The controller that founded the cluster. Empty: taken over."),
  kubeconfig: z.string().describe("A kubeconfig with all rights, for the endpoint."),
  kubeconfigStatus: z
    .string()
    .describe(
      "valid; expires soon; outdated: for another endpoint or another CA; " +
        "lost: no controller has an identity of the provider.",
    ),
  unavailable: z
    .record(z.string(), z.string())
    .describe("Controllers of the cluster whose API does not answer -> why."),
  ownership: z.string().describe("owned, altered, missing or `owned by URN`."),
});
export type State = z.infer<typeof outputs>;
