/** Rules about the k0s cluster: version, endpoint, and which VMs are its members. Pure. */
import { isController } from "../contract/names";
import { checkClusterNetworks } from "./clusterNetworkRules";
import type { ClusterDraft, SiteDraft, VmDraft } from "./draft";
import type { Issue } from "./issues";
import { checkNode } from "./nodeRules";

/** Older versions lack learners, which controllers join as, and the leave protocol. */
const LOWEST_MINOR = 36;

export function checkCluster(site: SiteDraft): Issue[] {
  return [
    ...checkPresence(site),
    ...site.vms.flatMap(checkNode),
    ...(site.cluster === undefined
      ? []
      : [
          ...checkVersion(site.cluster),
          ...checkEndpoint(site, site.cluster),
          ...checkClusterNetworks(site, site.cluster),
        ]),
  ];
}

/** A cluster and its members come and go together. */
function checkPresence({ cluster, clusterMap, knowsMembers, vms }: SiteDraft): Issue[] {
  const { path } = clusterMap;
  const members = vms.filter(({ role }) => role.value !== undefined);
  if (cluster === undefined) {
    if (clusterMap.isFaulty || members.length === 0) return [];
    const names = members.map(({ name }) => name).join(", ");
    const what = `is missing, but VMs have a role: ${names}`;
    const remedy =
      "state cluster, with name and k0sVersion; to remove a cluster, remove the roles too";
    return [{ path, code: "missing", what, remedy }];
  }
  const missing = (["name", "k0sVersion"] as const).flatMap((key): Issue[] => {
    const { path, value, isFaulty } = cluster[key];
    if (value !== undefined || isFaulty) return [];
    return [{ path, code: "missing", what: "is missing", remedy: "state it (text)" }];
  });
  if (!knowsMembers || members.some(({ role }) => isController(role.value))) return missing;
  const what = "no VM has the role controller";
  const remedy =
    "state role: controller for one or three VMs; to remove a cluster, " +
    "remove cluster and all roles";
  return [...missing, { path, code: "missing", what, remedy }];
}

function checkVersion({ k0sVersion: { path, value } }: ClusterDraft): Issue[] {
  if (value === undefined || Number(value.split(".")[1]) >= LOWEST_MINOR) return [];
  const what = `k0s ${value} is not supported`;
  return [{ path, code: "unsupported", what, remedy: `use 1.${LOWEST_MINOR} or newer` }];
}

function checkEndpoint(site: SiteDraft, cluster: ClusterDraft): Issue[] {
  const { path, value, isFaulty } = cluster.endpoint;
  const controllers = controllersOf(site);
  if (value === undefined) {
    if (isFaulty || !site.knowsMembers || controllers.length < 2) return [];
    const what = `is missing, but the cluster has ${controllers.length} controllers`;
    const remedy =
      "state a virtual IP, a load balancer, or the address of one controller: " +
      controllers.map(({ name, ip }) => `${ip.value ?? "?"} (${name})`).join(", ");
    return [{ path, code: "missing", what, remedy }];
  }
  const owner = site.vms.find(({ ip }) => ip.value === value);
  if (owner?.role.value === "worker") {
    const what = `${value} is the address of ${owner.name}, a worker, which has no API`;
    const remedy = "state a virtual IP, a load balancer or a controller";
    return [{ path, code: "inconsistent", what, remedy }];
  }
  const isOne = owner !== undefined && isController(owner.role.value);
  if (cluster.nodeLocalLoadBalancing || !isOne || controllers.length < 2) return [];
  const what = `without nodeLocalLoadBalancing, all nodes would depend on ${owner.name} (${value})`;
  const remedy = "state a virtual IP or a load balancer, or remove nodeLocalLoadBalancing: false";
  return [{ path, code: "inconsistent", what, remedy }];
}

export function controllersOf({ vms }: SiteDraft): VmDraft[] {
  return vms.filter(({ role }) => isController(role.value));
}
