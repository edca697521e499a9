/**
 * Each key of the site file, as a path, and the kind of change that an edit of it is. A path that
 * ends with `.*` is an entry of a map that is added or removed. tests/unit/promises.test.ts
 * compares the table with the schema. Pure.
 */
import type { SeedName } from "./gitops";
import { CHECK_NAMES } from "./names";
import type { KindName } from "./promises";

type Rows = Readonly<Record<string, KindName>>;

/** The same keys under another path. */
function under(path: string, rows: Rows): Rows {
  return Object.fromEntries(Object.entries(rows).map(([key, kind]) => [`${path}.${key}`, kind]));
}

const NETWORK: Rows = { cidr: "system", gateway: "system", nameservers: "system" };

/** Keys of VMs and of profiles. */
const MACHINE: Rows = {
  vcpu: "hardware",
  memory: "hardware",
  memoryTarget: "memoryTarget",
  startTimeout: "nextRun",
  switchTimeout: "nextRun",
  volumeTimeout: "nextRun",
  updatePolicy: "nextRun",
  "volumes.*": "disk",
  "volumes.*.size": "volumeSize",
  "volumes.*.fsType": "volumeFixed",
  "volumes.*.mountPoint": "system",
  "volumes.*.label": "volumeFixed",
  "volumes.*.image": "volumeFixed",
  "volumes.*.onDelete": "onDelete",
  "volumes.*.protect": "nextRun",
  "shares.*": "hardware",
  "shares.*.source": "hardware",
  "shares.*.mountPoint": "system",
  "shares.*.readOnly": "hardware",
  ...under("network", NETWORK),
};

const VM: Rows = {
  hypervisor: "move",
  profile: "varies",
  ip: "address",
  mac: "hardware",
  vsockCid: "hardware",
  hostName: "hostName",
  role: "system",
  "labels.*": "node",
  taints: "node",
  running: "running",
  restart: "restart",
  import: "varies",
  protect: "nextRun",
  renamedFrom: "name",
};

const ENDPOINT: Rows = { port: "access", user: "access", hostKey: "access", jumpHost: "access" };

const HYPERVISOR: Rows = {
  address: "access",
  ...under("ssh", ENDPOINT),
  nic: "hostNetwork",
  bridge: "bridge",
  hostIp: "hostAddress",
  memory: "nextRun",
  disk: "nextRun",
  build: "nextRun",
  parallelism: "nextRun",
  shared: "claim",
  buildTimeout: "nextRun",
  waitTimeout: "nextRun",
  ...under("checks", Object.fromEntries(CHECK_NAMES.map((check) => [check, "nextRun"]))),
  maintenance: "nextRun",
  forget: "forget",
  renamedFrom: "hostRename",
  system: "hostSystem",
  "system.rebootPolicy": "reboot",
  "system.confirmTimeout": "nextRun",
  "system.switchTimeout": "nextRun",
  "system.bootTimeout": "nextRun",
};

const CLUSTER: Rows = {
  name: "clusterFixed",
  k0sVersion: "system",
  "api.endpoint": "k0sConfiguration",
  "api.sans": "k0sConfiguration",
  "network.pods": "clusterFixed",
  "network.services": "clusterFixed",
  nodeLocalLoadBalancing: "clusterFixed",
  caFingerprint: "nextRun",
  maxUnavailable: "nextRun",
  "drain.timeout": "nextRun",
  "drain.localStorage": "nextRun",
  "drain.unmanagedPods": "nextRun",
};

const RELEASE: Rows = {
  "chart.repository": "addOn",
  "chart.name": "addOn",
  "chart.version": "addOn",
  namespace: "addOn",
  releaseName: "addOn",
  "values.*": "addOn",
};

const SEED_KEYS: Rows = {
  skip: "addOn",
  helmRelease: "addOn",
  helmReleases: "addOn",
  ...RELEASE,
  releases: "addOn",
  timeout: "nextRun",
};

const seed = (name: SeedName): Rows => ({
  [`seeds.${name}`]: "addOn",
  ...under(`seeds.${name}`, SEED_KEYS),
});

const GITOPS: Rows = {
  tree: "addOn",
  path: "addOn",
  branch: "addOn",
  repository: "addOn",
  "settings.*": "addOn",
  "flux.manifests": "addOn",
  ...seed("cilium"),
  ...seed("openebs"),
  ...seed("rookCeph"),
  ...seed("gitea"),
  "seeds.rookCeph.osds": "nextRun",
  "seeds.gitea.node": "addOn",
};

export const SITE_KEYS: Rows = {
  flake: "varies",
  "ssh.user": "access",
  "ssh.port": "access",
  "ssh.agent": "access",
  "ssh.identityFiles": "access",
  "ssh.operatorKeys": "system",
  "ssh.jumpHosts.*": "access",
  "ssh.jumpHosts.*.address": "access",
  ...under("ssh.jumpHosts.*", ENDPOINT),
  ...under("network", NETWORK),
  cluster: "varies",
  ...under("cluster", CLUSTER),
  gitops: "varies",
  ...under("gitops", GITOPS),
  "profiles.*": "varies",
  ...under("profiles.*", MACHINE),
  "hypervisors.*": "hypervisor",
  ...under("hypervisors.*", HYPERVISOR),
  "vms.*": "vm",
  ...under("vms.*", { ...VM, ...MACHINE }),
};
