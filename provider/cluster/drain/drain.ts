/** Drains a node: no new pods, then evictions, which respect PodDisruptionBudgets. */
import { ProviderError, messageOf } from "../../errors";
import type { Call } from "../../hosts/operations/operation";
import { pause } from "../../hosts/wait/wait";
import type { DrainConfig } from "../config";
import type { KubeApi } from "../kube/client";
import { isTooManyRequests } from "../kube/failure";
import type { KubeNode, Pod } from "../kube/objects";
import { describeBlocked, isLeft, podName, refusalOf, verdictOf } from "./podRules";

/** On a node that the provider has cordoned. One that people cordoned stays as it is. */
export const CORDONED = "pulumi-microvm/cordoned";

const RETRY_MS = 2_000;
/** Evictions at the same time. */
const AT_ONCE = 8;
/** The limit for making the node schedulable again after a failure. */
const UNCORDON_SECONDS = 30;
/** Names in one message. */
const NAMED = 5;

type Api = Pick<KubeApi, "patchNode" | "listPods" | "listBudgets" | "evict">;

export interface Drain {
  /** A client with the limits of a call. */
  api: (call: Call) => Promise<Api>;
  node: KubeNode;
  rules: DrainConfig;
  retryMs?: number;
}

/** Refuses before anything changes. After a failure, the node is schedulable again. */
export async function drain(call: Call, wanted: Drain): Promise<void> {
  const { node, rules } = wanted;
  const limited = {
    ...call,
    deadline: Math.min(call.deadline, Date.now() + rules.timeoutSeconds * 1000),
  };
  const api = await wanted.api(limited);
  refuseIfNotAllowed(wanted, await api.listPods(node.name));
  await cordon(api, node);
  try {
    await empty(limited, api, wanted);
  } catch (error) {
    await uncordonAfterFailure(call, wanted);
    throw error;
  }
}

function refuseIfNotAllowed({ node, rules }: Drain, pods: readonly Pod[]): void {
  const refusal = refusalOf(pods, rules);
  if (refusal === undefined) return;
  throw new ProviderError(
    "checks",
    `${node.name}: the node is not drained, because of ${refusal.what}`,
    refusal.remedy,
  );
}

async function cordon(api: Api, { name, isUnschedulable }: KubeNode): Promise<void> {
  if (isUnschedulable) return;
  await api.patchNode(name, { unschedulable: true, annotations: { [CORDONED]: "draining" } });
}

/** Makes the node schedulable again, if the provider has cordoned it. */
export async function uncordon(api: Pick<Api, "patchNode">, name: string): Promise<KubeNode> {
  return api.patchNode(name, { unschedulable: false, annotations: { [CORDONED]: null } });
}

/** Also if the call was cancelled: nobody else would do it. */
async function uncordonAfterFailure(call: Call, { api, node }: Drain): Promise<void> {
  if (node.isUnschedulable && node.annotations[CORDONED] === undefined) return;
  const signal = new AbortController().signal;
  const own = { ...call, signal, deadline: Date.now() + UNCORDON_SECONDS * 1000 };
  try {
    await uncordon(await api(own), node.name);
  } catch (error) {
    call.status(`${node.name} stays cordoned: ${messageOf(error)}`);
  }
}

/** Evicts until no pod is left that must go. */
async function empty(call: Call, api: Api, wanted: Drain): Promise<void> {
  const { node, rules, retryMs = RETRY_MS } = wanted;
  for (;;) {
    const pods = (await api.listPods(node.name)).filter((pod) => !isLeft(pod, rules));
    if (pods.length === 0) return;
    refuseIfNotAllowed(wanted, pods);
    const blocked = await evictAll(
      api,
      pods.filter((pod) => verdictOf(pod, rules) === "evict"),
    );
    call.status(
      `draining ${node.name}: ${pods.length} pods left` +
        (blocked.length === 0 ? "" : `, ${blocked.length} held by PodDisruptionBudgets`),
    );
    if (call.signal.aborted) throw new ProviderError("cancelled", `${node.name}: cancelled`);
    if (Date.now() + retryMs >= call.deadline) throw await timedOut(call, wanted, pods, blocked);
    await pause(retryMs, call.signal);
  }
}

/** Those whose eviction is not allowed now. */
async function evictAll(api: Api, pods: readonly Pod[]): Promise<Pod[]> {
  const blocked: Pod[] = [];
  for (let from = 0; from < pods.length; from += AT_ONCE) {
    await Promise.all(
      pods.slice(from, from + AT_ONCE).map(async (pod) => {
        try {
          await api.evict(pod);
        } catch (error) {
          if (!isTooManyRequests(error)) throw error;
          blocked.push(pod);
        }
      }),
    );
  }
  return blocked;
}

async function timedOut(
  call: Call,
  { api, node, rules }: Drain,
  pods: readonly Pod[],
  blocked: readonly Pod[],
): Promise<ProviderError> {
  const own = { ...call, deadline: Date.now() + UNCORDON_SECONDS * 1000 };
  const budgets = blocked.length === 0 ? [] : await (await api(own)).listBudgets();
  const left =
    blocked.length === 0
      ? `pods that do not end: ${pods.slice(0, NAMED).map(podName).join(", ")}`
      : blocked
          .slice(0, NAMED)
          .map((pod) => describeBlocked(pod, budgets))
          .join("; ");
  const more = (blocked.length === 0 ? pods : blocked).length - NAMED;
  return new ProviderError(
    "deadline",
    `${node.name}: the drain did not end in ${rules.timeoutSeconds} s: ${left}` +
      (more > 0 ? `, and ${more} more` : ""),
    "Change the budget, add replicas elsewhere, or raise cluster.drain.timeout; then run up again.",
  );
}
