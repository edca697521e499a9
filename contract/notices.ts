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
export interface FailureNotice {
  kind: "failure";
  urn: string;
  /** The hypervisor of the resource. */
  host: string;
  /** One of the causes in provider/errors.ts. */
  cause: string;
  what: string;
  remedy?: string;
}

export type Notice = PlanNotice | FailureNotice;

/** Causes of a failure after which the state of the host is unknown. */
export const UNREAD_CAUSES: readonly string[] = [
  "unreachable",
  "busy",
  "host-key",
  "authentication",
  "wrong-machine",
];
