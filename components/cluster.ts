/** The k0s cluster of a site: founded after the VMs of its controllers have started. */
import { isController } from "../contract/names";
import * as pulumi from "./pulumi";
import type { ClusterModel, SiteModel, VmModel } from "../site/model";
import type { FlakeOutput } from "./evaluation/evaluate";
import { memberOf } from "./clusterMember";
import { registerNodes } from "./clusterNodes";
import type { HypervisorHost } from "./hypervisorHost";
import type { MicroVm } from "./microVm";
import { ifRegistered } from "./registration";
import { K0sCluster } from "./resources";
import type { K0sNode } from "./resources";
import { unlocated } from "./sdkDiagnostics";

export interface ClusterArgs {
  cluster: ClusterModel;
  /** The VMs with a role. */
  members: VmModel[];
  built: FlakeOutput;
  /** The VMs of the site, after they were registered. */
  machines: ReadonlyMap<string, MicroVm>;
  hosts: ReadonlyMap<string, HypervisorHost>;
}

/** The stack's output `cluster`. If the cluster has failed in this run: what the site states. */
export type ClusterOutput = ClusterAddress & { caFingerprint?: string };

interface ClusterAddress {
  name: string;
  /** Where clients reach the API: address or DNS name. */
  endpoint: string;
}

/** A stack has one cluster at most, and its name cannot change: so the resource needs none. */
export const CLUSTER = "cluster";

export class Cluster extends pulumi.ComponentResource {
  readonly output: pulumi.Output<ClusterOutput>;
  /** Secret. Undefined if the cluster has failed in this run. */
  readonly kubeconfig: pulumi.Output<string | undefined>;
  readonly resource: K0sCluster;
  /** The members that have joined. */
  readonly members: Promise<K0sNode>[];

  constructor(args: ClusterArgs, opts?: pulumi.ComponentResourceOptions) {
    super("pulumi-microvm:components:Cluster", CLUSTER, unlocated({}), opts);
    const { name, endpoint } = args.cluster;
    const cluster = this.cluster(args);
    this.resource = cluster;
    this.members = registerNodes({ ...args, parent: this, resource: cluster });
    this.output = ifRegistered(cluster.caFingerprint).apply((caFingerprint): ClusterOutput => {
      return { name, endpoint, ...(caFingerprint !== undefined && { caFingerprint }) };
    });
    this.kubeconfig = pulumi.secret(ifRegistered(cluster.kubeconfig));
    this.registerOutputs({ output: this.output });
  }

  private cluster({ cluster, members, built, machines }: ClusterArgs): K0sCluster {
    const { podNetwork, serviceNetwork, nodeLocalLoadBalancing, caFingerprint } = cluster;
    return new K0sCluster(
      CLUSTER,
      {
        name: cluster.name,
        endpoint: cluster.endpoint,
        sans: cluster.sans,
        podNetwork,
        serviceNetwork,
        nodeLocalLoadBalancing,
        caFingerprint: caFingerprint === undefined ? undefined : withColons(caFingerprint),
        maxUnavailable: cluster.maxUnavailable,
        members: Object.fromEntries(
          members.flatMap((vm) => {
            const member = memberOf(vm, built);
            return member === undefined ? [] : [[vm.name, member]];
          }),
        ),
      },
      {
        parent: this,
        dependsOn: controllersOf(members, machines),
      },
    );
  }
}

/** The VMs of the controllers, when they have started. */
function controllersOf(
  members: VmModel[],
  machines: ReadonlyMap<string, MicroVm>,
): Promise<pulumi.Resource[]> {
  const controllers = members.filter(({ role }) => isController(role));
  return Promise.all(controllers.flatMap(({ name }) => machines.get(name)?.started ?? []));
}

/** As programs print it: `AB:CD:...`. */
function withColons(hex: string): string {
  return (hex.toUpperCase().match(/../g) ?? []).join(":");
}

/** The provider's `cluster`, as provider/cluster/config.ts reads it. */
export function clusterJson({ cluster, vms }: SiteModel): string | undefined {
  if (cluster === undefined) return undefined;
  const { name, maxUnavailable, drain } = cluster;
  const members = vms.flatMap(({ name: vm, role, hypervisor: host, ip: address, hostName }) =>
    role === undefined ? [] : [[vm, { host, address, role, hostName }] as const],
  );
  const config = { name, members: Object.fromEntries(members), maxUnavailable, drain };
  return JSON.stringify(config);
}
