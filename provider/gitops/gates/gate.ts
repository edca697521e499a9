/** Gates: what must be so in the cluster before the next step. One wait for all of them. */
import { ApiFailure } from "../../cluster/kube/failure";
import type { ObjectApi } from "../../cluster/kube/objectClient";
import { ProviderError, isLinkLost } from "../../errors";
import type { Call } from "../../hosts/operations/operation";
import { pause } from "../../hosts/wait/wait";
import type { Limits } from "../../hosts/wait/wait";
import { reasonsOf } from "./reasons";
import type { Subject } from "./reasons";

const POLL_MS = 2_000;
const LOOK_SECONDS = 60;
/** To find the reasons, after the time of the gate has ended. */
const REASONS_SECONDS = 20;

export interface Gate {
  /** `DaemonSet kube-system/cilium is ready` */
  what: string;
  /** Undefined: it is so. */
  look: (objects: ObjectApi) => Promise<Unmet | undefined>;
}

export interface Unmet {
  /** `2 of 3 pods are ready` */
  why: string;
  /** Objects whose conditions and events can explain it. */
  about: readonly Subject[];
}

export interface Awaited {
  /** For messages: `cilium`. */
  name: string;
  gates: readonly Gate[];
  seconds: number;
  remedy?: string;
  /** What the report names as failed: `cluster NAME`. */
  place?: string;
  pollMs?: number;
}

export interface GateCluster {
  objects(call: Limits): ObjectApi;
}

interface Closed {
  gate: Gate;
  unmet: Unmet;
}

/** An API that does not answer for a while is not an error. */
export async function awaitGates(
  call: Call,
  cluster: GateCluster,
  { name, gates, seconds, remedy, place, pollMs = POLL_MS }: Awaited,
): Promise<void> {
  const started = Date.now();
  const deadline = Math.min(call.deadline, started + seconds * 1000);
  const waited = (): number => Math.round((Date.now() - started) / 1000);
  let closed: Closed[] = [];
  for (;;) {
    const limits = { ...call, deadline: Math.min(deadline, Date.now() + LOOK_SECONDS * 1000) };
    closed = await look(limits, cluster, gates, closed);
    if (call.signal.aborted) throw new ProviderError("cancelled", `${name}: cancelled`);
    if (closed.length === 0) return;
    if (Date.now() + pollMs >= deadline) break;
    call.status(`waiting, ${waited()} s: ${closed.map(lineOf).join("; ")}`);
    await pause(pollMs, call.signal);
  }
  const lines = closed.map((one) => `  ${lineOf(one)}`);
  const about = closed.flatMap(({ unmet }) => unmet.about);
  const reasons = (await reasonsFor(call, cluster, about)).map((reason) => `  ${reason}`);
  throw new ProviderError(
    "deadline",
    [`${name}: timed out after ${waited()} s waiting until:`, ...lines, ...reasons].join("\n"),
    remedy,
    place,
  );
}

const lineOf = ({ gate, unmet }: Closed): string => `${gate.what}: ${unmet.why}`;

/** The gates that are closed. Those that were open once are not asked again. */
async function look(
  limits: Call,
  cluster: GateCluster,
  gates: readonly Gate[],
  before: readonly Closed[],
): Promise<Closed[]> {
  const asked = before.length === 0 ? gates : before.map(({ gate }) => gate);
  try {
    const objects = cluster.objects(limits);
    const looks = asked.map(async (gate): Promise<Closed[]> => {
      const unmet = await gate.look(objects);
      return unmet === undefined ? [] : [{ gate, unmet }];
    });
    return (await Promise.all(looks)).flat();
  } catch (error) {
    const isOver = error instanceof ProviderError && error.reason === "deadline";
    if (limits.signal.aborted || !(isOver || isLinkLost(error) || isRefusal(error))) throw error;
    return asked.map((gate) => ({ gate, unmet: { why: whyOf(error), about: [] } }));
  }
}

/** The API starts, or a kind has just come. */
const isRefusal = (error: unknown): error is ApiFailure =>
  error instanceof ApiFailure && error.code >= 500;

const whyOf = (error: ProviderError | ApiFailure): string =>
  error instanceof ProviderError ? error.what : error.message;

async function reasonsFor(
  call: Call,
  cluster: GateCluster,
  about: readonly Subject[],
): Promise<string[]> {
  const limits = { ...call, deadline: Date.now() + REASONS_SECONDS * 1000 };
  try {
    return await reasonsOf(cluster.objects(limits), about);
  } catch (error) {
    if (call.signal.aborted) throw error;
    return [];
  }
}
