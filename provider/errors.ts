/** The provider's errors: a closed set of causes. Each error names the failed step and a remedy. */
import type { ValueMap } from "./wire";

export type Cause =
  | "unreachable" // no connection; the state of the host is unknown
  | "busy" // the host is reachable, but accepts no more connections or sessions
  | "host-key" // the host presented a key that is not the pinned key
  | "authentication" // the host rejected the operator's keys, or there is no usable key
  | "wrong-machine" // the host key matches, the machine-id does not
  | "owned" // the object belongs to another stack
  | "foreign" // the object exists, and no stack has recorded that it owns it
  | "data-loss" // the change would lose data, or data is missing already
  | "stale" // what was decided on has changed meanwhile; decide again
  | "checks" // the host does not meet the requirements of VMs
  | "maintenance" // the host is in maintenance: the provider does not contact it
  | "input" // the inputs are invalid
  | "operation" // a step on the host failed
  | "outcome-unknown" // the connection was lost; the result of the step is unknown
  | "nix" // a build or a copy failed
  | "guest" // the VM runs, but its guest does not answer
  | "deadline"
  | "cancelled";

/** Message: `host: step: cause`, then the remedy on its own line. Never contains a secret. */
export class ProviderError extends Error {
  readonly remedy: string | undefined;
  constructor(
    readonly reason: Cause,
    readonly what: string,
    remedy?: string,
    /** What failed, where it is not the host of the resource: `cluster NAME`. */
    readonly place?: string,
  ) {
    super(remedy === undefined ? what : `${what}\n  ${remedy}`);
    this.name = "ProviderError";
    this.remedy = remedy;
  }
}

/** A step failed after something was created. `live` goes to the state. */
export class PartialFailure extends Error {
  constructor(
    readonly live: object,
    readonly failure: Error,
  ) {
    super(failure.message);
  }
}

const CAUSES: ReadonlySet<string> = new Set<Cause>([
  "wrong-machine",
  "owned",
  "foreign",
  "data-loss",
  "stale",
  "input",
  "operation",
  "deadline",
]);

/** The cause that a script on the host reports. An unknown cause becomes `operation`. */
export function causeOf(text: string): Cause {
  return isCause(text) ? text : "operation";
}

function isCause(text: string): text is Cause {
  return CAUSES.has(text);
}

export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

export function asError(error: unknown): Error {
  return error instanceof Error ? error : new Error(messageOf(error));
}

/** The connection was lost or is unavailable. The request can be retried. */
export function isLinkLost(error: unknown): error is ProviderError {
  return (
    error instanceof ProviderError &&
    ["outcome-unknown", "unreachable", "busy"].includes(error.reason)
  );
}

/** The object exists but is not as wanted. Becomes ErrorResourceInitFailed. */
export class InitFailed extends Error {
  constructor(
    readonly id: string,
    readonly properties: ValueMap,
    readonly inputs: ValueMap,
    readonly reasons: string[],
  ) {
    super(reasons.join("\n"));
  }
}
