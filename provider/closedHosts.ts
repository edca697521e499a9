/**
 * Hosts that the site closes to the provider: in maintenance, or forgotten. What the state has of
 * them stays as it is recorded. Only a forgotten host's resources can be deleted: from the state.
 */
import type { PlanNotice } from "../contract/notices";
import { ProviderError } from "./errors";
import type { Cause } from "./errors";
import { ReportedElsewhere } from "./hosts/failures";
import type { Closed } from "./hosts/pool";
import type { Context } from "./resource";
import type { ValueMap } from "./wire";

function hostOf(inputs: ValueMap): string | undefined {
  const { host } = inputs;
  return typeof host === "string" ? host : undefined;
}

function closed({ pool }: Context, inputs: ValueMap): Closed | undefined {
  const host = hostOf(inputs);
  return host === undefined ? undefined : pool.closed(host);
}

export function isForgotten(context: Context, inputs: ValueMap): boolean {
  return closed(context, inputs) === "forgotten";
}

/** The host is not contacted. */
export function isClosed(context: Context, inputs: ValueMap): boolean {
  return closed(context, inputs) !== undefined;
}

export function refuseIfClosed(context: Context, inputs: ValueMap, verb: string): void {
  const how = closed(context, inputs);
  if (how === undefined) return;
  const host = hostOf(inputs) ?? "";
  const gone = verb === "removed" ? ` ${forgetRemedy(host)}` : "";
  throw new ProviderError(
    "maintenance",
    `${host} is ${how}: nothing is ${verb} there`,
    how === "forgotten"
      ? "To use the host again, remove forget: true from the hypervisor."
      : `Remove maintenance: true from the hypervisor first.${gone}`,
  );
}

/** Reviewers must see that a change is planned but not made. */
export function planOfClosed(context: Context, inputs: ValueMap): PlanNotice {
  const reason = `${hostOf(inputs) ?? ""} is ${closed(context, inputs) ?? "open"}`;
  return { kind: "plan", urn: context.urn, effect: "nothing", reason, packages: [] };
}

/** `hv2: MicroVm kw2 left the state; the host was not contacted (forget: true)`. */
export function leftBehind(type: string, inputs: ValueMap, urn: string): string {
  const host = hostOf(inputs) ?? "";
  const name = urn.split("::").pop() ?? urn;
  return `${host}: ${type} ${name} left the state; the host was not contacted (forget: true)`;
}

/** The remedy for a machine that will never respond again. */
const LOST: readonly Cause[] = ["unreachable", "host-key", "authentication"];

const forgetRemedy = (host: string): string =>
  `If ${host} is gone for good, set forget: true for it in the site, and run up.`;

/** Runs a removal. Its error says how to continue without the machine. */
export async function namingForget(inputs: ValueMap, work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } catch (error) {
    const host = hostOf(inputs);
    if (error instanceof ReportedElsewhere || host === undefined) throw error;
    if (!(error instanceof ProviderError) || !LOST.includes(error.reason)) throw error;
    const { reason, what, remedy } = error;
    const remedies = [...(remedy === undefined ? [] : [remedy]), forgetRemedy(host)];
    throw new ProviderError(reason, what, remedies.join("\n  "));
  }
}
