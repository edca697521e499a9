/** Failures of calls: to the engine as short text, to programs in full. */
import { ProviderError } from "./errors";
import type { Context } from "./resource";
import type { ValueMap } from "./wire";

/** The work of a call. Its failure is reported. */
export async function reporting<T>(
  context: Context,
  inputs: ValueMap,
  work: () => Promise<T>,
): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw reported(context, inputs, error);
  }
}

/** The error as the engine shows it. The notice has it in full, with its cause. */
export function reported(context: Context, { host }: ValueMap, error: unknown): unknown {
  if (error instanceof ProviderError) {
    const { reason: cause, what, remedy, place } = error;
    const name = place ?? (typeof host === "string" ? host : "");
    const notice = { kind: "failure", urn: context.urn, host: name, cause, what } as const;
    context.log.notice({ ...notice, ...(remedy !== undefined && { remedy }) });
  }
  return context.pool.failures.shorten(context.urn, error);
}
