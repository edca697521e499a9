/**
 * The normalised site: what the rest of the program works on once the YAML has been read.
 * Every default is filled in, every reference resolved, every size in MiB. Pure data.
 */
import type { CheckMode, CheckName, K0sRole } from "../contract/names";
import type { GitOpsModel } from "./gitOpsModel";

export type Checks = Record<CheckName, CheckMode>;

/** One SSH hop with its pinned host key. `jump` is the hop before it. */
export interface SshEndpoint {
  address: string;
  port: number;
  user: string;
  /** `ssh-ed25519 AAAA...`, without a comment. */
  hostKey: string;
  jump?: SshEndpoint;
}

/**
 * Where the operator's private keys come from. Each run reads them again; they are never stored.
 */
export interface SshCredentials {
  /** Use the agent at SSH_AUTH_SOCK. */
  agent: boolean;
  /** Private key files: absolute paths, or paths that start with `~/`. */
  identityFiles: string[];
}

/** How the host's own NixOS system is switched. */
export interface SystemModel {
  /** Whether the host reboots when the system has another kernel, initrd or kernel modules. */
  rebootPolicy: "never" | "ifRequired";
  /** How long switch-to-configuration may run. */
  switchTimeoutSeconds: number;
  /** How long the host waits for a new login before it rolls back. */
  confirmTimeoutSeconds: number;
  /** How long a reboot may take. */
  bootTimeoutSeconds: number;
}

export interface HypervisorModel {
  name: string;
  /** Its previous name, as long as the site states it. */
  renamedFrom?: string;
  endpoint: SshEndpoint;
  /** Physical network card that is a port of the bridge. */
  nic: string;
  bridge: string;
  /** The host's own address on the bridge, with its prefix: `192.0.2.11/24`. */
  hostIp: string;
  /** Limit for the memory of its VMs. Absent: none. */
  memoryMiB?: number;
  /** Limit for the size of its volumes. Absent: none. */
  diskMiB?: number;
  checks: Checks;
  /** The host is not touched: its resources stay as they are recorded. */
  maintenance: boolean;
  /** The host is gone: its resources leave the state, and it is not contacted. */
  forget: boolean;
  /** Other stacks may use this hypervisor too. */
  shared: boolean;
  /** How many VMs start, stop or restart at the same time. */
  parallelism: number;
  /** Where closures for this host are built. */
  build: "operator" | "host";
  /** How long building and copying one closure may take. */
  buildTimeoutSeconds: number;
  /** How long an operation may wait for a lock, a slot or a turn. */
  waitTimeoutSeconds: number;
  /** Absent: the site does not manage the host's system. */
  system?: SystemModel;
}

/** What happens to a volume's image when the volume is removed from the site. */
export type OnDelete = "retain" | "trash" | "delete";

export interface VolumeModel {
  name: string;
  /** Absolute path of the image on the hypervisor. */
  image: string;
  sizeMiB: number;
  /** `none` is a raw device without a file system (Ceph OSDs). */
  fsType: "ext4" | "none";
  label: string;
  /** Mount point in the guest; absent for raw devices. */
  mountPoint?: string;
  onDelete: OnDelete;
  /** Pulumi refuses to delete it. */
  protect: boolean;
}

export interface ShareModel {
  /** virtiofs tag. */
  tag: string;
  /** Directory on the hypervisor. */
  source: string;
  /** Where the guest mounts it. */
  mountPoint: string;
  readOnly: boolean;
}

export const TAINT_EFFECTS = ["NoSchedule", "PreferNoSchedule", "NoExecute"] as const;

export interface Taint {
  key: string;
  /** Empty if the taint has none. */
  value: string;
  effect: (typeof TAINT_EFFECTS)[number];
}

/** What a drain does with pods that it cannot move without loss. */
export type DrainChoice = "refuse" | "delete";

export interface ClusterModel {
  name: string;
  /** Minor version: `1.36`. */
  k0sVersion: string;
  /** IPv4 address or DNS name, without port. */
  endpoint: string;
  /** More names of the API's certificate, without the endpoint. */
  sans: string[];
  nodeLocalLoadBalancing: boolean;
  podNetwork: string;
  serviceNetwork: string;
  /** SHA-256 of the CA certificate, 64 lower-case hexadecimal digits. Absent: we found it. */
  caFingerprint?: string;
  /** How many members may be down at the same time. */
  maxUnavailable: number;
  drain: {
    timeoutSeconds: number;
    localStorage: DrainChoice;
    unmanagedPods: DrainChoice;
  };
}

/** How a running VM gets a new system. */
export type UpdatePolicy = "live" | "restart" | "onNextBoot";

export interface VmModel {
  name: string;
  /** Its previous name, as long as the site states it. */
  renamedFrom?: string;
  hostName: string;
  hypervisor: string;
  profile?: string;
  role?: K0sRole;
  /** Of the Kubernetes node. */
  labels: Record<string, string>;
  taints: Taint[];
  vcpu: number;
  memoryMiB: number;
  memoryTargetMiB?: number;
  ip: string;
  prefixLength: number;
  gateway?: string;
  nameservers: string[];
  mac: string;
  vsockCid?: number;
  volumes: VolumeModel[];
  shares: ShareModel[];
  /** How long a start may take, from the start of the unit until SSH answers. */
  startTimeoutSeconds: number;
  /** How long a live switch in the guest may take. */
  switchTimeoutSeconds: number;
  /** How long work on the image of one volume may take. */
  volumeTimeoutSeconds: number;
  updatePolicy: UpdatePolicy;
  running: boolean;
  /** Any text; the VM restarts when it changes. */
  restart: string;
  /** Take over what exists on the hypervisor, without changing it. */
  import: boolean;
  /** Pulumi refuses to delete it. */
  protect: boolean;
}

export interface SiteModel {
  /** Flake reference, with relative paths made absolute. */
  flake: string;
  credentials: SshCredentials;
  /** Public keys that may log in to guests. */
  operatorKeys: string[];
  /** Absent: no VM has a role. */
  cluster?: ClusterModel;
  /** Absent: nothing is installed in the cluster. */
  gitOps?: GitOpsModel;
  hypervisors: HypervisorModel[];
  vms: VmModel[];
}
