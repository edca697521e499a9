/** The provider's errors: a closed set of causes, each with what was being done and what to do. */

export type Cause =
  | "unreachable" // no connection; nothing is known about the host
  | "busy" // the host is there, and takes no more connections or sessions
  | "host-key" // the host showed another key than the pinned one
  | "authentication" // the host refused the operator's keys
  | "wrong-machine" // right key, other machine-id
  | "owned" // the object belongs to another stack
  | "foreign" // the object exists and nobody recorded owning it
  | "data-loss" // doing it, or going on, would lose data
  | "stale" // what was decided on has changed meanwhile; decide again
  | "checks" // the host is not fit for VMs
  | "maintenance" // the site says: leave this host alone
  | "input" // the inputs can't be right
  | "operation" // a step on the host failed
  | "outcome-unknown" // the link was lost; the step may or may not have been done
  | "nix" // building or copying failed
  | "guest" // the VM runs but does not answer
  | "deadline"
  | "cancelled";

/** `host: doing: what`, then the remedy on a line of its own. Never holds a secret. */
export class ProviderError extends Error {
  readonly remedy: string | undefined;
  constructor(
    readonly reason: Cause,
    readonly what: string,
    remedy?: string,
  ) {
    super(remedy === undefined ? what : `${what}\n  ${remedy}`);
    this.name = "ProviderError";
    this.remedy = remedy;
  }
}

/** Something was made, and then a step failed: the state keeps what is live. */
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

/** A cause as a script on the host names it; anything else is `operation`. */
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

/** The link was lost, or is not to be had just now: what was asked may be asked again. */
export function isLinkLost(error: unknown): error is ProviderError {
  return (
    error instanceof ProviderError &&
    ["outcome-unknown", "unreachable", "busy"].includes(error.reason)
  );
}
