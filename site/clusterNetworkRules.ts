/** The networks inside the cluster, beside those of the VMs and of each other. Pure. */
import { isWorker } from "../contract/names";
import type { ClusterDraft, SiteDraft } from "./draft";
import type { Issue } from "./issues";
import { formatIp, parseCidr, parseIp } from "./network";
import type { Cidr } from "./network";
import type { Value } from "./value";

/** kube-controller-manager gives each node a network of this size. */
const NODE_PREFIX = 24;
/** kube-apiserver takes at most 2^20 service addresses; k0s's DNS is the tenth of them. */
const SERVICE_PREFIXES = { shortest: 12, longest: 28 };

interface Network {
  /** With its owner, for the message. */
  name: string;
  cidr: Cidr;
}

export function checkClusterNetworks(site: SiteDraft, cluster: ClusterDraft): Issue[] {
  const pods = networkOf("the network of the pods", cluster.podNetwork);
  const services = networkOf("the network of the services", cluster.serviceNetwork);
  const outside = networksOutside(site);
  return [
    ...checkBase(cluster.podNetwork),
    ...checkBase(cluster.serviceNetwork),
    ...checkPodSize(site, cluster.podNetwork),
    ...checkServiceSize(cluster.serviceNetwork),
    ...overlaps(cluster.podNetwork, outside),
    ...overlaps(cluster.serviceNetwork, [...pods, ...outside]),
    ...[...pods, ...services].flatMap((network) => [
      ...inside(cluster.endpoint, network, "the endpoint"),
      ...nameserversInside(site, network),
    ]),
  ];
}

function networkOf(name: string, { value }: Value<string>): Network[] {
  const cidr = parseCidr(value ?? "");
  return cidr === undefined ? [] : [{ name: `${name} ${value ?? ""}`, cidr }];
}

/** Each network of VMs and hypervisors once, with its first owner. */
function networksOutside({ vms, hypervisors }: SiteDraft): Network[] {
  const all = [
    ...hypervisors.flatMap(({ name, hostIp }) => networkOf(`the network of ${name}`, hostIp)),
    ...vms.flatMap(({ name, cidr }) => networkOf(`the network of ${name}`, cidr)),
  ];
  return all.filter(
    ({ cidr }, index) =>
      all.findIndex(
        ({ cidr: other }) =>
          other.network === cidr.network && other.prefixLength === cidr.prefixLength,
      ) === index,
  );
}

function checkBase({ path, value }: Value<string>): Issue[] {
  const cidr = parseCidr(value ?? "");
  if (cidr === undefined || value === undefined) return [];
  const base = `${formatIp(cidr.network)}/${cidr.prefixLength}`;
  if (base === value) return [];
  const what = `${value} is not the first address of its network`;
  return [{ path, code: "network", what, remedy: `write ${base}` }];
}

function checkPodSize({ vms }: SiteDraft, { path, value }: Value<string>): Issue[] {
  const cidr = parseCidr(value ?? "");
  if (cidr === undefined) return [];
  const nodes = vms.filter(({ role }) => isWorker(role.value)).length;
  const room = Math.floor(2 ** (NODE_PREFIX - cidr.prefixLength));
  if (nodes <= room) return [];
  const what = `${String(value)} has room for ${room} nodes, but the site has ${nodes}`;
  const remedy = `use a shorter prefix; each node takes a /${NODE_PREFIX}`;
  return [{ path, code: "capacity", what, remedy }];
}

function checkServiceSize({ path, value }: Value<string>): Issue[] {
  const { shortest, longest } = SERVICE_PREFIXES;
  const prefix = parseCidr(value ?? "")?.prefixLength ?? longest;
  if (prefix >= shortest && prefix <= longest) return [];
  const what = `Kubernetes accepts no network of services with a prefix of ${prefix}`;
  return [{ path, code: "network", what, remedy: `use /${shortest} to /${longest}` }];
}

function overlaps({ path, value }: Value<string>, others: readonly Network[]): Issue[] {
  const own = parseCidr(value ?? "");
  if (own === undefined) return [];
  return others
    .filter(({ cidr }) => own.network <= cidr.broadcast && cidr.network <= own.broadcast)
    .map(({ name }) => ({
      path,
      code: "network",
      what: `${String(value)} overlaps ${name}`,
      remedy: "use a network that nothing else has",
    }));
}

function inside({ path, value }: Value<string>, { name, cidr }: Network, whose: string): Issue[] {
  const ip = parseIp(value ?? "");
  if (ip === undefined || ip < cidr.network || ip > cidr.broadcast) return [];
  const what = `${whose} ${String(value)} is in ${name}, which exists only inside the cluster`;
  return [{ path, code: "network", what, remedy: "use an address outside it" }];
}

/** Name servers of the members: pods and nodes would look for them among the pods. */
function nameserversInside({ vms }: SiteDraft, network: Network): Issue[] {
  const members = vms.filter(({ role }) => role.value !== undefined);
  const seen = new Set<string>();
  return members.flatMap(({ name, path, nameservers }) =>
    nameservers
      .filter((server) => !seen.has(server) && seen.add(server).has(server))
      .flatMap((value) =>
        inside({ path, value, isFaulty: false }, network, `the name server of ${name}`),
      ),
  );
}
