/** Failures of a whole host affect every resource on it. The full text is reported once. */
import { ProviderError } from "../errors";
import type { Cause } from "../errors";

/** The words of a reference to the full text. */
const WORDS: Partial<Record<Cause, string>> = {
  unreachable: "can't be reached",
  "host-key": "showed another host key than the pinned one",
  authentication: "refused the login",
};

/** Refers to the resource that reported the failure, with its remedy. */
export class ReportedElsewhere extends ProviderError {}

export class HostFailures {
  /** Full text -> the resource that reported it. */
  private readonly reported = new Map<string, string>();

  /**
   * The error for this resource: the full text, or a reference to the resource that reported it.
   */
  shorten(urn: string, error: unknown): unknown {
    if (!(error instanceof ProviderError)) return error;
    const words = WORDS[error.reason];
    const host = /^([^\s:()]+)(?: \(|: )/.exec(error.what)?.[1];
    if (words === undefined || host === undefined) return error;
    const first = this.reported.get(error.message);
    if (first === undefined) this.reported.set(error.message, urn);
    if (first === undefined || first === urn) return error;
    const what = `${host} ${words}: see the error of ${nameOf(first)}`;
    return new ReportedElsewhere(error.reason, what);
  }
}

/** `Hypervisor hv1` for its URN. */
function nameOf(urn: string): string {
  const [, , types = "", name = ""] = urn.split("::");
  return `${types.split(":").pop() ?? ""} ${name}`;
}
