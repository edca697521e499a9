/**
 * The normalised site: what the rest of the program works on once the YAML has been read.
 * Every default is filled in, every reference resolved, every size in MiB. Pure data.
 */

/** How one preflight check of a hypervisor counts: stops the run, only warns, or is not made. */
export type CheckMode = "require" | "warn" | "off";

/** The preflight checks of a hypervisor, in the order in which they are reported. */
export const CHECK_NAMES = [
  "kvm",
  "libvirtd",
  "bridge",
  "units",
  "nix",
  "clock",
  "memory",
  "disk",
] as const;
export type CheckName = (typeof CHECK_NAMES)[number];
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

/** Where the operator's private keys come from. Read anew at each run, never stored. */
export interface SshCredentials {
  /** Use the agent at SSH_AUTH_SOCK. */
  agent: boolean;
  /** Private key files: absolute paths, or such below `~`. */
  identityFiles: string[];
}

/** How the host's own NixOS system is switched. */
export interface SystemModel {
  /** When the system has another kernel, initrd or kernel modules: only told, or the host is rebooted. */
  rebootPolicy: "never" | "ifRequired";
  /** How long switch-to-configuration may run. */
  switchTimeoutSeconds: number;
  /** How long the host waits for a new login before it goes back. */
  confirmTimeoutSeconds: number;
  /** How long a reboot may take. */
  bootTimeoutSeconds: number;
}

export interface HypervisorModel {
  name: string;
  endpoint: SshEndpoint;
  /** Physical network card that is enslaved to the bridge. */
  nic: string;
  bridge: string;
  /** The host's own address on the bridge, with its prefix: `192.0.2.11/24`. */
  hostIp: string;
  /** Memory set aside for VMs. */
  memoryMiB?: number;
  /** Disk space set aside for volumes. */
  diskMiB?: number;
  checks: Checks;
  /** The host is left alone: its resources are carried over unchanged. */
  maintenance: boolean;
  /** Where closures for this host are built. */
  build: "operator" | "host";
  /** Absent: the host's system is not ours. */
  system?: SystemModel;
}

/** What becomes of a volume's image when the volume is removed from the site. */
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

export type K0sRole = "controller" | "worker" | "controller+worker";

/** How a running VM gets a new system. */
export type UpdatePolicy = "live" | "restart" | "onNextBoot";

export interface VmModel {
  name: string;
  hostName: string;
  hypervisor: string;
  profile?: string;
  role?: K0sRole;
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
  /** How long the VM may take to start and to answer SSH. */
  startTimeoutSeconds: number;
  updatePolicy: UpdatePolicy;
  running: boolean;
  /** Any text; the VM restarts when it changes. */
  restart: string;
  /** Take over what is there, and leave it as it is. */
  import: boolean;
}

export interface SiteModel {
  /** Flake reference, with relative paths made absolute. */
  flake: string;
  credentials: SshCredentials;
  /** Public keys that may log in to guests. */
  operatorKeys: string[];
  hypervisors: HypervisorModel[];
  vms: VmModel[];
}
