/** Our identity in a cluster, from a controller that has it. Reading it changes nothing. */
import { ProviderError, messageOf } from "../errors";
import type { Call } from "../hosts/operations/operation";
import { within } from "../hosts/wait/wait";
import { noAnswer } from "./kube/failure";
import type { ClusterGuest, Identity, K0sFacts } from "./k0sGuest";

/** A guest that is down takes a minute to say so. */
export const GUEST_SECONDS = 20;

export interface Presented {
  identity: Identity;
  /** The name of the controller that has it. */
  presenter: string;
}

/** Asks one controller after the other, until one has a valid identity. */
export async function presentedBy(
  call: Call,
  cluster: string,
  controllers: readonly ClusterGuest[],
): Promise<Presented> {
  const causes: string[] = [];
  let lacking = 0;
  for (const guest of controllers) {
    try {
      const shown = await guest.presentIdentity(within(call, GUEST_SECONDS));
      const { hasData, identity } = shown;
      if (identity !== undefined && hasIdentity(shown)) return { identity, presenter: guest.name };
      if (hasData) lacking += 1;
      causes.push(`${guest.name}: ${whyNone(shown)}`);
    } catch (error) {
      if (call.signal.aborted) throw error;
      causes.push(messageOf(error));
    }
  }
  throw lacking === 0 ? noAnswer(cluster, causes) : noIdentity(cluster, causes);
}

type Having = Pick<K0sFacts, "hasData" | "identity">;

/** K0sCluster renews it in time. */
export function hasIdentity({ hasData, identity }: Having): boolean {
  return hasData && identity !== undefined && identity.expires.getTime() > Date.now();
}

function whyNone({ hasData, identity }: Having): string {
  if (!hasData) return "it has no data of a cluster";
  return identity === undefined ? "it has no identity of the provider" : "its identity has expired";
}

/** The API cannot be asked, like one that does not answer. */
function noIdentity(cluster: string, causes: readonly string[]): ProviderError {
  return new ProviderError(
    "unreachable",
    `${cluster}: its API cannot be read: ${causes.join("; ")}`,
    "Run up: the update of K0sCluster makes an identity.",
    `cluster ${cluster}`,
  );
}
