/** The part of the site that Nix gets: `site.json`, an input of the user's flake. Pure. */
import { isController } from "../contract/names";
import type { SiteModel, VmModel } from "./model";

/**
 * The site as JSON with sorted keys. Each machine has its own slice with only what its closure
 * depends on: no `running`, `restart`, `memoryTarget`, `onDelete` or time limits, no labels and
 * taints, and nothing about how hosts are reached. So an edit for one VM does not change the slices
 * of the others. `profile` is only a name, by which Nix selects the user's modules; no closure
 * contains it.
 */
export function siteJson(site: SiteModel): string {
  const machines = site.vms.map((vm): [string, object] => [vm.name, machineSlice(site, vm)]);
  const hypervisors = site.hypervisors.map(({ name, nic, bridge, hostIp }): [string, object] => [
    name,
    { name, nic, bridge, hostIp },
  ]);
  const json = {
    version: 1,
    machines: Object.fromEntries(machines),
    hypervisors: Object.fromEntries(hypervisors),
  };
  return `${JSON.stringify(sorted(json), undefined, 2)}\n`;
}

function machineSlice(site: SiteModel, vm: VmModel): object {
  const { ip, prefixLength, gateway, nameservers, mac } = vm;
  return {
    name: vm.name,
    hostName: vm.hostName,
    hypervisor: vm.hypervisor,
    role: vm.role,
    cluster: clusterSlice(site, vm),
    profile: vm.profile,
    vcpu: vm.vcpu,
    memoryMiB: vm.memoryMiB,
    network: { ip, prefixLength, gateway, nameservers, mac },
    vsockCid: vm.vsockCid,
    volumes: vm.volumes.map(({ name, image, sizeMiB, fsType, label, mountPoint }) => ({
      name,
      image,
      sizeMiB,
      fsType,
      label,
      mountPoint,
    })),
    shares: vm.shares,
    operatorKeys: site.operatorKeys,
  };
}

/**
 * What k0s is configured with. A worker gets its configuration from the controllers, so it depends
 * only on the version. No slice names other members: who joins or leaves restarts nobody.
 */
function clusterSlice({ cluster }: SiteModel, { role }: VmModel): object | undefined {
  if (cluster === undefined || role === undefined) return undefined;
  const { name, k0sVersion } = cluster;
  if (!isController(role)) return { name, k0sVersion };
  const { endpoint, sans, nodeLocalLoadBalancing, podNetwork, serviceNetwork } = cluster;
  const network = { nodeLocalLoadBalancing, podNetwork, serviceNetwork };
  return { name, k0sVersion, endpoint, sans, ...network };
}

function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== "object" || value === null) return value;
  const entries = Object.entries(value).map(([key, item]): [string, unknown] => [
    key,
    sorted(item),
  ]);
  return Object.fromEntries(entries.sort(([a], [b]) => (a < b ? -1 : 1)));
}
