/**
 * The site model while it is checked: references and defaults are resolved, and each value that a
 * rule needs knows its path. A value that the file lacks, or that is faulty there, is undefined.
 */
import type { SeedName } from "../contract/gitops";
import type { ReleaseModel, SeedModel } from "./gitOpsModel";
import type { Path } from "./issues";
import type {
  ClusterModel,
  HypervisorModel,
  ShareModel,
  SiteModel,
  SshEndpoint,
  VmModel,
  VolumeModel,
} from "./model";
import type { Value } from "./value";

/** A model of which some values are not certain. */
type Draft<Model, Key extends keyof Model> = Omit<Model, Key> & {
  path: Path;
} & { [K in Key]-?: Value<NonNullable<Model[K]>> };

export type VolumeDraft = Draft<VolumeModel, "image" | "sizeMiB" | "label" | "mountPoint"> & {
  /** Under which Pulumi knows it: also that of before its VM was renamed. */
  resourceNames: string[];
};

export type ShareDraft = Draft<ShareModel, "source" | "mountPoint">;

export type VmDraft = Draft<
  Omit<VmModel, "prefixLength" | "volumes" | "shares">,
  | "renamedFrom"
  | "hostName"
  | "hypervisor"
  | "profile"
  | "role"
  | "labels"
  | "taints"
  | "vcpu"
  | "memoryMiB"
  | "memoryTargetMiB"
  | "ip"
  | "gateway"
  | "mac"
  | "vsockCid"
> & {
  /** The file states `hostName` for this VM. */
  statesHostName: boolean;
  /** The network that `ip` is in. */
  cidr: Value<string>;
  volumes: VolumeDraft[];
  shares: ShareDraft[];
};

/** One hop of SSH; `jumpHost` is a name of the site's jump hosts. */
export interface HopDraft extends Omit<SshEndpoint, "address" | "port" | "hostKey" | "jump"> {
  address: Value<string>;
  port: Value<number>;
  hostKey: Value<string>;
  jumpHost: Value<string>;
}

export interface JumpHostDraft extends HopDraft {
  name: string;
}

export type HypervisorDraft = Draft<
  Omit<HypervisorModel, "endpoint">,
  "renamedFrom" | "nic" | "hostIp" | "memoryMiB" | "diskMiB"
> & { endpoint: HopDraft };

export type ClusterDraft = Draft<
  ClusterModel,
  "name" | "k0sVersion" | "endpoint" | "sans" | "podNetwork" | "serviceNetwork" | "caFingerprint"
>;

/** What a path of the file leads to. */
export type FileKind = "directory" | "file" | "none";

/** A path that a rule looks up. */
export interface PlaceDraft {
  stated: Value<string>;
  /** Absolute. Empty if it is not known. */
  absolute: string;
  kind: FileKind;
}

export type ReleaseDraft = Omit<ReleaseModel, "chart"> & {
  chart: { [K in keyof ReleaseModel["chart"]]: Value<string> };
};

export type SeedDraft = Omit<SeedModel, "helmReleases" | "releases" | "node"> & {
  path: Path;
  name: SeedName;
  skip: boolean;
  /** Those of `skip: true`, helmRelease, helmReleases, chart and releases that the file states. */
  ways: string[];
  /** Each with its path. */
  helmReleases: { path: Path; text: string }[];
  releases: ReleaseDraft[];
  /** Keys that go with chart alone, and that the file states. */
  ofChart: string[];
  node: Value<string>;
};

export interface GitOpsDraft {
  path: Path;
  tree: PlaceDraft;
  /** The key `path`. */
  root: PlaceDraft;
  branch: string;
  repository: Value<string>;
  settings: Record<string, string>;
  manifests: PlaceDraft;
  hasFlux: boolean;
  seeds: SeedDraft[];
}

/** Named things that other parts of the file refer to. */
export interface Declared {
  names: string[];
  /** It has this name, or may have it: its own entry is faulty. */
  has: (name: string) => boolean;
}

export interface SiteDraft extends Omit<
  SiteModel,
  "flake" | "cluster" | "gitOps" | "hypervisors" | "vms"
> {
  flake: Value<string>;
  /** The map `cluster` itself. */
  clusterMap: Value<object>;
  cluster: ClusterDraft | undefined;
  gitOps: GitOpsDraft | undefined;
  /** No fault in the file hides a VM or its role. */
  knowsMembers: boolean;
  /** The map `hypervisors` itself. */
  hypervisorMap: Value<object>;
  jumpHosts: JumpHostDraft[];
  hypervisors: HypervisorDraft[];
  vms: VmDraft[];
  declared: { hypervisors: Declared; profiles: Declared; jumpHosts: Declared };
}
