/** Checks right before a step that the cluster still allows it. */
import type { ClusterAccess } from "../../cluster/access";
import { blockersOf } from "../../cluster/planGate";
import type { Action } from "../../cluster/planGate";
import { sentence } from "../../cluster/planWords";
import { ProviderError } from "../../errors";
import type { Call } from "../../hosts/operations/operation";
import { pause } from "../../hosts/wait/wait";

/** A member that has just restarted is not healthy for a moment. */
const ATTEMPTS = 10;
const POLL_MS = 3_000;

/** What the steps of a member use of the cluster. Tests have stand-ins. */
export type NodeCluster = Pick<
  ClusterAccess,
  "config" | "identity" | "api" | "observe" | "observeAgain" | "members" | "survivor" | "forget"
>;

export interface Gated {
  call: Call;
  cluster: Pick<NodeCluster, "config" | "members" | "forget">;
  wanted: { name: string; hostName: string };
  pollMs?: number;
}

/** Throws if a blocker does not go away soon. */
export async function gate(gated: Gated, action: Action): Promise<void> {
  const { call, cluster, wanted, pollMs = POLL_MS } = gated;
  for (let attempt = 1; ; attempt++) {
    cluster.forget();
    const members = await cluster.members(call);
    const wish = { members: [], maxUnavailable: cluster.config.maxUnavailable };
    const [reason] = blockersOf(wish, members, action, [wanted.name, wanted.hostName]);
    if (reason === undefined) return;
    if (attempt === ATTEMPTS || call.signal.aborted) {
      throw new ProviderError("checks", `${wanted.name}: ${sentence(reason)}`);
    }
    call.status(`waiting: ${sentence(reason)}`);
    await pause(pollMs, call.signal);
  }
}
