/** What the API answers instead of an object. */
import { z } from "zod";
import { ProviderError } from "../../errors";

const status = z.object({
  message: z.string().default(""),
  reason: z.string().default(""),
});

/** A request that the API did not grant. */
export class ApiFailure extends Error {
  constructor(
    /** The code of HTTP. */
    readonly code: number,
    /** Kubernetes' word for it: `NotFound`, `Conflict`, `TooManyRequests`. */
    readonly reason: string,
    message: string,
  ) {
    super(message);
  }
}

/** `answered`: the body is a Status of Kubernetes, or the text of a proxy. */
export function failureOf(code: number, answered: string): ApiFailure {
  const { message, reason } = parsed(answered);
  return new ApiFailure(code, reason, message === "" ? `HTTP status ${code}` : message);
}

/** An answer of the API as an error of the provider. `what`: the object of the request. */
export async function translating<T>(
  what: string,
  cluster: string,
  work: () => Promise<T>,
): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof ApiFailure)) throw error;
    const reason = error.reason === "" ? `HTTP status ${error.code}` : error.reason;
    const said = `${what}: Kubernetes refused a request: ${reason}: ${error.message}`;
    throw new ProviderError("operation", said, undefined, `cluster ${cluster}`);
  }
}

export function noAnswer(cluster: string, causes: readonly string[]): ProviderError {
  return new ProviderError(
    "unreachable",
    `${cluster}: no controller of the cluster answers: ${causes.join("; ")}`,
    "Look at systemctl status k0s on the controllers.",
    `cluster ${cluster}`,
  );
}

function parsed(text: string): z.infer<typeof status> {
  try {
    const found = status.safeParse(JSON.parse(text));
    if (found.success) return found.data;
  } catch {
    // Not JSON: below.
  }
  return { message: text.trim().slice(0, 200), reason: "" };
}

const hasCode =
  (code: number) =>
  (error: unknown): error is ApiFailure =>
    error instanceof ApiFailure && error.code === code;

export const isNotFound = hasCode(404);
/** Somebody else changed the object since it was read. */
export const isConflict = hasCode(409);
/** Of an eviction: a PodDisruptionBudget does not allow it now. */
export const isTooManyRequests = hasCode(429);
