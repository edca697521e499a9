/**
 * Notices: what the provider tells the program `pulumi-microvm` beside what it tells the engine, so
 * that no message for people has to be parsed. The provider appends them to the file that the
 * environment names, one JSON object per line. Imports nothing. Pure.
 */

/** The environment variable with the path of the file. Unset: no notices. */
export const NOTICES_FILE = "PULUMI_MICROVM_NOTICES";

/**
 * What an update does to a machine, in the words of contract/promises.ts:
 * - `nothing`: it keeps running as it is; records, links or limits change.
 * - `nextStart`: what is new holds from the machine's next start.
 * - `live`: it gets a new system while it runs.
 * - `start`, `stop`, `restart`: of a VM.
 * - `reboot`: of a hypervisor.
 */
export const EFFECTS = [
  "nothing",
  "nextStart",
  "live",
  "start",
  "stop",
  "restart",
  "reboot",
] as const;
export type Effect = (typeof EFFECTS)[number];

/** A package whose version changes. A version is absent where the package is. */
export interface PackageChange {
  name: string;
  from?: string;
  to?: string;
}

/** What a planned update or creation of one resource does. */
export interface Plan {
  effect: Effect;
  /** Why, for people. Empty for `nothing`. */
  reason: string;
  /** Empty if nothing changes, or if the flake does not state packages. */
  packages: PackageChange[];
}

export interface PlanNotice extends Plan {
  kind: "plan";
  urn: string;
}

/** A call of the engine failed. The engine shows the same as text. */
/** What happens to members of the k0s cluster, in its order. */
export const CLUSTER_ACTIONS = ["found", "join", "change", "leave", "remove"] as const;
export type ClusterAction = (typeof CLUSTER_ACTIONS)[number];

export interface ClusterStep {
  action: ClusterAction;
  /** Several are done side by side. */
  names: string[];
  /** `kc2 joins`, with the quorum before and after. */
  text: string;
  /** What blocks the step, with remedies. What follows a blocked step is not planned. */
  blockers: string[];
}

/** What a planned update does to the cluster. */
export interface ClusterPlan {
  name: string;
  steps: ClusterStep[];
  /** Why the API can be unavailable meanwhile. Empty: it stays available. */
  interruption: string;
  /** Why the members were not read: the plan assumes the recorded ones. Empty: they were. */
  unread: string;
  /** What the plan does not say of its steps. May be empty. */
  remark: string;
}

export interface ClusterNotice extends ClusterPlan {
  kind: "cluster";
  urn: string;
}

export interface FailureNotice {
  kind: "failure";
  urn: string;
  /** What failed to answer: the hypervisor of the resource, or `cluster NAME`. */
  host: string;
  /** One of the causes in provider/errors.ts. */
  cause: string;
  what: string;
  remedy?: string;
}

export type Notice = PlanNotice | ClusterNotice | FailureNotice;

/** Causes of a failure after which the state of the host is unknown. */
export const UNREAD_CAUSES: readonly string[] = [
  "unreachable",
  "busy",
  "host-key",
  "authentication",
  "wrong-machine",
];
