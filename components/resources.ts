/**
 * The resource classes of package `microvm`: typed inputs and outputs for the tokens of the
 * provider's schema. The behaviour is in `provider/resources`.
 * tests/unit/components/resources.test.ts compares the classes with the schema.
 *
 * A class declares only the outputs that the program reads, since each one costs time in each pass.
 */
import * as pulumi from "./pulumi";
import type { CheckMode, K0sRole } from "../contract/names";
import { unlocated } from "./sdkDiagnostics";

export interface ProviderArgs {
  /** Host name -> how it is reached, as JSON text. */
  hosts: pulumi.Input<string>;
  agent: pulumi.Input<boolean>;
  identityFiles: pulumi.Input<string[]>;
  /** A private key in OpenSSH format. Kept encrypted in the state of the provider. */
  privateKey?: pulumi.Input<string> | undefined;
  /** The k0s cluster, as JSON text. Absent without one. */
  cluster?: pulumi.Input<string> | undefined;
  /** Path of the program helm. Absent: it is on PATH. */
  helm?: pulumi.Input<string> | undefined;
}

export class Provider extends pulumi.ProviderResource {
  constructor(name: string, args: ProviderArgs, opts?: pulumi.ResourceOptions) {
    super(
      "microvm",
      name,
      {
        hosts: args.hosts,
        agent: pulumi.jsonStringify(args.agent),
        identityFiles: pulumi.jsonStringify(args.identityFiles),
        privateKey: args.privateKey === undefined ? undefined : pulumi.secret(args.privateKey),
        cluster: args.cluster,
        helm: args.helm,
      },
      opts,
    );
  }
}

/** What a VM needs of its host. */
export interface VmWants {
  name: string;
  memoryMiB: number;
  ip: string;
  mac: string;
  vsockCid?: number;
  volumes: { image: string; sizeMiB: number }[];
}

function isOutput(value: unknown): value is pulumi.Output<unknown> {
  return pulumi.Output.isInstance(value);
}

/**
 * The engine reports the failure of a resource. Without this, the SDK would report it again for the
 * program, as an unhandled exception, since nothing takes the failure of outputs that nobody reads.
 */
export class Managed extends pulumi.CustomResource {
  constructor(type: string, name: string, args: object, opts?: pulumi.CustomResourceOptions) {
    super(type, name, unlocated({ ...args }), opts);
    for (const output of Object.values(this).filter(isOutput)) {
      pulumi.recover(output, () => undefined);
    }
  }
}

export interface HypervisorArgs {
  host: pulumi.Input<string>;
  /** The name that it had before, while the site states it. */
  renamedFrom?: pulumi.Input<string> | undefined;
  /** How it is reached, for reviewers. The provider uses its own `hosts`. */
  endpoint: pulumi.Input<string>;
  bridge: pulumi.Input<string>;
  nic: pulumi.Input<string>;
  /** Other stacks may use this host too. */
  shared: pulumi.Input<boolean>;
  /** The VMs of the site on this host. */
  wants: pulumi.Input<pulumi.Input<VmWants>[]>;
  /** VM -> the name that it had before, while the site states it. */
  renamedVms: pulumi.Input<Record<string, string>>;
  /** Store path of the system that the site deploys there, if it manages the system. */
  system?: pulumi.Input<string> | undefined;
  checks: pulumi.Input<Record<string, CheckMode>>;
}

/** A host that runs microVMs: passed its preflight checks, claimed for this stack. */
export class Hypervisor extends Managed {
  declare readonly machineId: pulumi.Output<string>;
  declare readonly verdicts: pulumi.Output<Record<string, "ok" | "failed" | "off">>;

  constructor(name: string, args: HypervisorArgs, opts?: pulumi.CustomResourceOptions) {
    const outputs = { machineId: undefined, verdicts: undefined };
    super("microvm:index:Hypervisor", name, { ...args, ...outputs }, opts);
  }
}

export interface NixosSystemArgs {
  host: pulumi.Input<string>;
  /** The name that it had before, while the site states it. */
  renamedFrom?: pulumi.Input<string> | undefined;
  drvPath: pulumi.Input<string>;
  /** Store path of config.system.build.toplevel. */
  toplevel: pulumi.Input<string>;
  build: pulumi.Input<"operator" | "host">;
  rebootPolicy: pulumi.Input<"never" | "ifRequired">;
  buildTimeoutSeconds: pulumi.Input<number>;
  switchTimeoutSeconds: pulumi.Input<number>;
  confirmTimeoutSeconds: pulumi.Input<number>;
  bootTimeoutSeconds: pulumi.Input<number>;
  /** The order in which VMs stop before a reboot. */
  stopOrder: pulumi.Input<string[]>;
  /** Derivations of the runners of its VMs. They are built before the host changes. */
  vmDerivations: pulumi.Input<string[]>;
  /** Package -> version, for the preview. */
  packages: pulumi.Input<Record<string, string>>;
  /** Hash of kernel, initrd and kernel modules, for the preview. Empty: not known. */
  bootHash: pulumi.Input<string>;
}

/** The NixOS system of a hypervisor. */
export class NixosSystem extends Managed {
  declare readonly rebootRequired: pulumi.Output<boolean>;

  constructor(name: string, args: NixosSystemArgs, opts?: pulumi.CustomResourceOptions) {
    const outputs = { rebootRequired: undefined };
    super("microvm:index:NixosSystem", name, { ...args, ...outputs }, opts);
  }
}

export interface VolumeArgs {
  host: pulumi.Input<string>;
  /** The name that its VM had before, while the site states it. */
  renamedFrom?: pulumi.Input<string> | undefined;
  machineId: pulumi.Input<string>;
  vm: pulumi.Input<string>;
  name: pulumi.Input<string>;
  /** Absolute path of the image on the host. */
  image: pulumi.Input<string>;
  /** Never shrinks. */
  sizeMiB: pulumi.Input<number>;
  fsType: pulumi.Input<"ext4" | "none">;
  label: pulumi.Input<string>;
  onDelete: pulumi.Input<"retain" | "trash" | "delete">;
  /** The guest's IPv4 address. Growing a volume in use takes a login there. */
  address: pulumi.Input<string>;
}

/** The image of a VM's disk. */
export class Volume extends Managed {
  constructor(name: string, args: VolumeArgs, opts?: pulumi.CustomResourceOptions) {
    super("microvm:index:Volume", name, { ...args }, opts);
  }
}

export interface NixClosureArgs {
  host: pulumi.Input<string>;
  /** The name that it had before, while the site states it. */
  renamedFrom?: pulumi.Input<string> | undefined;
  machineId: pulumi.Input<string>;
  name: pulumi.Input<string>;
  /** Name of the GC root -> derivation and output. */
  roots: pulumi.Input<Record<string, pulumi.Input<{ drvPath: string; outPath: string }>>>;
  build: pulumi.Input<"operator" | "host">;
  /** Package -> version, for the preview of a changed closure. Default: none. */
  packages?: pulumi.Input<Record<string, pulumi.Input<string>>>;
}

/** Store paths on a host, protected by GC roots. */
export class NixClosure extends Managed {
  constructor(name: string, args: NixClosureArgs, opts?: pulumi.CustomResourceOptions) {
    super("microvm:index:NixClosure", name, { ...args }, opts);
  }
}

export interface MicroVmResourceArgs {
  host: pulumi.Input<string>;
  /** The name that it had before, while the site states it. */
  renamedFrom?: pulumi.Input<string> | undefined;
  machineId: pulumi.Input<string>;
  name: pulumi.Input<string>;
  /** Store path of microvm.nix's declaredRunner. */
  runner: pulumi.Input<string>;
  /** Store path of the guest's system. */
  toplevel: pulumi.Input<string>;
  /** The guest's IPv4 address. */
  address: pulumi.Input<string>;
  /** The guest's host name. */
  hostName: pulumi.Input<string>;
  /** The bridge that the VM's tap is a port of. Absent: the tap is not looked at. */
  bridge?: pulumi.Input<string> | undefined;
  mac: pulumi.Input<string>;
  vsockCid?: pulumi.Input<number> | undefined;
  /** Directories on the host that it shares with the guest. */
  shareSources: pulumi.Input<string[]>;
  running: pulumi.Input<boolean>;
  /** Any text. A running VM restarts when it changes. */
  restart: pulumi.Input<string>;
  /** Memory that the balloon leaves to the guest. Absent: all of it. */
  memoryTargetMiB?: pulumi.Input<number> | undefined;
  /** Hash of the VMM's configuration. A change requires a restart. */
  hardware: pulumi.Input<string>;
  /** Parts of the hardware that the site states, for the preview of a restart. */
  hardwareParts: pulumi.Input<Record<string, string>>;
  /** Store path of nixpkgs' closureInfo of the guest's system. */
  closureInfo: pulumi.Input<string>;
  /** The guest supports switching to a new system while it runs. */
  liveSwitch: pulumi.Input<boolean>;
  updatePolicy: pulumi.Input<"live" | "restart" | "onNextBoot">;
  /** Time limit for a live switch in the guest. */
  switchTimeoutSeconds: pulumi.Input<number>;
}

/** A VM in the directory layout of microvm.nix. */
export class MicroVmResource extends Managed {
  declare readonly runner: pulumi.Output<string>;
  declare readonly running: pulumi.Output<boolean>;
  declare readonly stale: pulumi.Output<boolean>;
  declare readonly guestHostKey: pulumi.Output<string>;

  constructor(name: string, args: MicroVmResourceArgs, opts?: pulumi.CustomResourceOptions) {
    const outputs = { stale: undefined, guestHostKey: undefined };
    super("microvm:index:MicroVm", name, { ...args, ...outputs }, opts);
  }
}

/** A member of the cluster, with what it runs. */
export interface K0sMember {
  host: string;
  /** The guest's IPv4 address. */
  address: string;
  role: K0sRole;
  /** Store path of the guest's system. */
  closure: string;
  /** Hash of the k0s unit. */
  k0sUnit: string;
  k0sVersion: string;
}

export interface K0sClusterArgs {
  name: pulumi.Input<string>;
  /** Where clients reach the API: address or DNS name. */
  endpoint: pulumi.Input<string>;
  sans: pulumi.Input<string[]>;
  podNetwork: pulumi.Input<string>;
  serviceNetwork: pulumi.Input<string>;
  nodeLocalLoadBalancing: pulumi.Input<boolean>;
  /** Takes over the cluster with this CA. Absent: the cluster is founded. */
  caFingerprint?: pulumi.Input<string> | undefined;
  maxUnavailable: pulumi.Input<number>;
  /** VM -> what it runs as a member. */
  members: pulumi.Input<Record<string, pulumi.Input<K0sMember>>>;
}

/** A k0s cluster as a whole: founded once, or taken over. */
export class K0sCluster extends Managed {
  declare readonly caFingerprint: pulumi.Output<string>;
  declare readonly kubeconfig: pulumi.Output<string>;

  constructor(name: string, args: K0sClusterArgs, opts?: pulumi.CustomResourceOptions) {
    const outputs = { caFingerprint: undefined, kubeconfig: undefined };
    const secret = { additionalSecretOutputs: ["kubeconfig"] };
    super(
      "microvm:index:K0sCluster",
      name,
      { ...outputs, ...args },
      pulumi.mergeOptions(opts, secret),
    );
  }
}

export interface K0sNodeArgs {
  host: pulumi.Input<string>;
  /** The name that its VM had before, while the site states it. */
  renamedFrom?: pulumi.Input<string> | undefined;
  machineId: pulumi.Input<string>;
  /** Name of the VM. */
  name: pulumi.Input<string>;
  /** Its name in Kubernetes and etcd. */
  hostName: pulumi.Input<string>;
  /** The guest's IPv4 address. */
  address: pulumi.Input<string>;
  role: pulumi.Input<K0sRole>;
  /** Name of the cluster. */
  cluster: pulumi.Input<string>;
  labels: pulumi.Input<Record<string, string>>;
  /** `key=value:Effect` or `key:Effect`. */
  taints: pulumi.Input<string[]>;
  /** Store path of the guest's system. */
  closure: pulumi.Input<string>;
  /** Hash of the k0s unit. */
  k0sUnit: pulumi.Input<string>;
  k0sVersion: pulumi.Input<string>;
}

/** A member of a k0s cluster: joins it, and leaves it in order. */
export class K0sNode extends Managed {
  constructor(name: string, args: K0sNodeArgs, opts?: pulumi.CustomResourceOptions) {
    super("microvm:index:K0sNode", name, { ...args }, opts);
  }
}
