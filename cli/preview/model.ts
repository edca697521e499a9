/** What a preview found, in the terms of people who review it. Every text is free of secrets. */
import type { ClusterPlan, Effect, PackageChange } from "../../contract/notices";

export interface PreviewModel {
  /** `PROJECT/STACK`. Empty if the preview failed before it had a resource. */
  stack: string;
  /** The plan is whole: the engine came to its end, and nothing failed. */
  isWhole: boolean;
  /** Resources by what happens to them. */
  counts: Counts;
  problems: Problem[];
  warnings: Problem[];
  unread: UnreadHost[];
  deletions: Deletion[];
  volumes: VolumeChange[];
  machines: Machine[];
  /** What happens to the k0s cluster. Absent if it does not change, or if there is none. */
  cluster?: ClusterPlan;
  drift: Drift[];
  changes: Change[];
  /** URNs of the resources that do not change. */
  unchanged: string[];
}

export interface Counts {
  create: number;
  update: number;
  delete: number;
  same: number;
  /** Imports, replacements and reads. */
  other: number;
}

/** An error: it blocks the change. Or a warning. */
export interface Problem {
  /** `MicroVm kw1`. Empty: of the whole run. */
  resource: string;
  text: string;
  /** What to do, where the provider says it. */
  remedy: string;
  /** How many other resources have the same one. */
  others: number;
}

/** A host of which the preview read nothing, or not all. */
export interface UnreadHost {
  host: string;
  text: string;
  remedy: string;
  /** Resources whose real state is unknown. The plan assumes the recorded state. */
  resources: string[];
}

export interface Deletion {
  resource: string;
  /** The effect of the deletion on it or on its data. */
  fate: string;
  /** Data is lost. */
  losesData: boolean;
}

export interface VolumeChange {
  /** `VM.VOLUME`. */
  volume: string;
  host: string;
  text: string;
  isDeleted: boolean;
  losesData: boolean;
}

/** What happens to a machine. Beside those of the provider: what only the whole plan shows. */
export type MachineEffect = Effect | "create" | "import" | "remove" | "blocked" | "unknown";

export interface Machine {
  name: string;
  kind: "VM" | "hypervisor";
  /** The hypervisor of a VM. */
  host: string;
  effect: MachineEffect;
  reason: string;
  packages: PackageChange[];
}

/** A difference that nobody has asked for. */
export interface Drift {
  resource: string;
  path: string;
  recorded: string;
  observed: string;
  /** The update puts it back. */
  isRepaired: boolean;
  /** The provider names other drift of the resource, and this changed with it. */
  isConsequence: boolean;
}

export interface Change {
  urn: string;
  resource: string;
  op: string;
  paths: ChangedPath[];
}

export interface ChangedPath {
  path: string;
  /** add, delete or update. */
  kind: string;
  /** false: drift that the update repairs. */
  isIntended: boolean;
  before: string;
  after: string;
}
