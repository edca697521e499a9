/** The next step of a member on its way into the cluster. Pure. */
import { isController } from "../../../contract/names";
import type { K0sRole } from "../../../contract/names";
import type { K0sFacts } from "../../cluster/k0sGuest";
import { ProviderError } from "../../errors";
import { DESTROYED } from "./k0sClusterFounding";
import { foreignData } from "./k0sClusterRefusals";

/**
 * `wait`: k0s is on its way. `resume`: it starts with its data. `restart`: it registers its node
 * again. `set-aside`: its data is that of a membership that the cluster has ended. `remove`: the
 * cluster lists a member whose data is gone. `join`: with a token.
 */
export type Step = "wait" | "resume" | "restart" | "set-aside" | "remove" | "join";

export interface Found {
  role: K0sRole;
  /** The cluster lists it as a voting member of etcd. */
  isVoter: boolean;
  /** etcd lists its address, also as a learner. */
  isInEtcd: boolean;
  hasNode: boolean;
  k0s: Pick<K0sFacts, "hasData" | "unit" | "stopped" | "token" | "caFingerprint">;
  /** The fingerprint of the cluster's CA. */
  ca: string;
}

export function nextStep(found: Found): Step {
  const { role, k0s, ca } = found;
  // Files of another cluster without its data: a join would use them.
  const isLeftOver = k0s.caFingerprint !== undefined && k0s.caFingerprint !== ca;
  if (isLeftOver && !k0s.hasData) return "set-aside";
  return isController(role) ? stepOfController(found) : stepOfWorker(found);
}

function stepOfController({ isVoter, isInEtcd, k0s }: Found): Step {
  const isMember = isVoter || isInEtcd;
  if (!k0s.hasData) return isMember ? "remove" : "join";
  if (!isMember) return "set-aside";
  return runs(k0s) ? "wait" : "resume";
}

function stepOfWorker({ hasNode, k0s }: Found): Step {
  if (!k0s.hasData) return hasNode ? "remove" : "join";
  if (hasNode) return runs(k0s) ? "wait" : "resume";
  if (k0s.stopped !== undefined && k0s.stopped !== DESTROYED) return "set-aside";
  if (!runs(k0s)) return "resume";
  // A kubelet registers its node at its start only. The dummy shows that it had joined before.
  return k0s.token === "dummy" ? "restart" : "wait";
}

export function runs({ unit, stopped }: Pick<K0sFacts, "unit" | "stopped">): boolean {
  return stopped === undefined && ["active", "activating", "reloading"].includes(unit);
}

export function refuseForeignData(
  name: string,
  cluster: string,
  { k0s, ca }: Pick<Found, "k0s" | "ca">,
): void {
  const found = k0s.caFingerprint;
  if (k0s.hasData && found !== ca) throw foreignData({ name, found, expected: ca, cluster });
}

const MAX_CLOCK_DIFFERENCE_SECONDS = 30;

/** A token and certificates may not be valid yet, or not any more, by the other clock. */
export function refuseClocks(
  one: { name: string; clockOffset: number },
  other: { name: string; clockOffset: number },
): void {
  const seconds = Math.round(Math.abs(one.clockOffset - other.clockOffset));
  if (seconds <= MAX_CLOCK_DIFFERENCE_SECONDS) return;
  throw new ProviderError(
    "checks",
    `${one.name}: its clock is ${seconds} s from that of ${other.name}; nothing was changed`,
    "Start a time service (systemd-timesyncd, chrony) in both guests.",
  );
}
