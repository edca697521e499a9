/** What a right site risks: shown once per run, and stops nothing. Pure. */
import { controllersOf } from "./clusterRules";
import type { SiteDraft, VmDraft } from "./draft";
import type { Issue } from "./issues";

/** The issues of a draft without faults that are only warnings. */
export function warningsOf(site: SiteDraft): Issue[] {
  if (site.cluster === undefined) return [];
  const controllers = controllersOf(site);
  return [
    ...evenNumber(site, controllers),
    ...hostsWithQuorum(site, controllers),
    ...endpointOnOne(site, controllers),
  ];
}

/** How many of so many controllers may be down while etcd keeps its quorum. */
const tolerated = (controllers: number): number => Math.floor((controllers - 1) / 2);

function evenNumber({ clusterMap: { path } }: SiteDraft, { length }: readonly VmDraft[]): Issue[] {
  if (length % 2 === 1) return [];
  const loss = tolerated(length);
  const what =
    `${length} controllers survive the loss of ${loss === 0 ? "none" : loss}, ` +
    `as ${length - 1} would`;
  const remedy = `use ${length - 1} or ${length + 1} controllers`;
  return [{ path, code: "quorum", what, remedy }];
}

/** With two controllers, the even number says so already. */
function hostsWithQuorum(
  { clusterMap: { path } }: SiteDraft,
  controllers: readonly VmDraft[],
): Issue[] {
  if (controllers.length < 3) return [];
  const hosts = [...new Set(controllers.flatMap(({ hypervisor }) => hypervisor.value ?? []))];
  return hosts.flatMap((host): Issue[] => {
    const there = controllers.filter(({ hypervisor }) => hypervisor.value === host);
    if (there.length <= tolerated(controllers.length)) return [];
    const names = there.map(({ name }) => name).join(", ");
    const what =
      `without ${host}, the cluster has no quorum: ${there.length} of its ` +
      `${controllers.length} controllers are there (${names})`;
    const remedy = "spread the controllers over at least three hypervisors";
    return [{ path, code: "quorum", what, remedy }];
  });
}

function endpointOnOne({ cluster }: SiteDraft, controllers: readonly VmDraft[]): Issue[] {
  const endpoint = cluster?.endpoint;
  const owner = controllers.find(({ ip }) => ip.value === endpoint?.value);
  if (endpoint === undefined || owner === undefined || controllers.length < 2) return [];
  const what = `while ${owner.name} is down, kubeconfigs of this cluster reach no API`;
  const remedy = "use a virtual IP or a load balancer";
  return [{ path: endpoint.path, code: "endpoint", what, remedy }];
}
