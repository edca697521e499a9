/**
 * The members of the cluster: controllers join one after another, then workers side by side. A
 * destroy ends the cluster as a whole, and no member leaves it.
 */
import { isController } from "../contract/names";
import type { VmModel } from "../site/model";
import { memberOf } from "./clusterMember";
import type { ClusterArgs } from "./cluster";
import { aliasesOf } from "./options";
import * as pulumi from "./pulumi";
import { required } from "./registration";
import { K0sNode } from "./resources";
import type { K0sCluster } from "./resources";

export interface NodesArgs extends ClusterArgs {
  parent: pulumi.Resource;
  resource: K0sCluster;
}

type Dependencies = Promise<pulumi.Resource>[];

/** The members. Each rejects if it has failed. */
export function registerNodes(args: NodesArgs): Promise<K0sNode>[] {
  const controllers = args.members.filter(({ role }) => isController(role));
  const workers = args.members.filter(({ role }) => !isController(role));
  const cluster = required(args.resource, `The cluster ${args.cluster.name}`);
  const joined: Promise<K0sNode>[] = [];
  const register = (vm: VmModel, after: Dependencies): Promise<K0sNode>[] => {
    const node = registerNode(args, vm, after);
    return node === undefined ? [] : [required(node, `The member ${vm.name}`)];
  };
  for (const vm of byName(controllers)) joined.push(...register(vm, [cluster, ...joined]));
  return [...joined, ...workers.flatMap((vm) => register(vm, [cluster, ...joined]))];
}

/** The plan of the cluster has the same order. */
function byName(vms: readonly VmModel[]): VmModel[] {
  return [...vms].sort((a, b) => (a.name < b.name ? -1 : 1));
}

function registerNode(args: NodesArgs, vm: VmModel, after: Dependencies): K0sNode | undefined {
  const { cluster, built, machines, hosts, parent, resource } = args;
  const member = memberOf(vm, built);
  const machine = machines.get(vm.name);
  const host = hosts.get(vm.hypervisor);
  if (member === undefined || machine === undefined || host === undefined) return undefined;
  return new K0sNode(
    vm.name,
    {
      ...member,
      renamedFrom: vm.renamedFrom,
      machineId: host.machineId,
      name: vm.name,
      hostName: vm.hostName,
      cluster: cluster.name,
      labels: vm.labels,
      taints: vm.taints.map(taintText),
    },
    {
      parent,
      dependsOn: Promise.all([machine.started, ...after]),
      deletedWith: resource,
      ...aliasesOf(vm.renamedFrom),
    },
  );
}

/** As kubectl writes it: `key=value:Effect`, or `key:Effect`. */
function taintText({ key, value, effect }: VmModel["taints"][number]): string {
  return value === "" ? `${key}:${effect}` : `${key}=${value}:${effect}`;
}
