/** Which pods of a node a drain evicts, leaves or refuses: the rules of kubectl. Pure. */
import type { DrainConfig } from "../config";
import { selects } from "../kube/objects";
import type { Budget, Pod } from "../kube/objects";

export type DrainRules = Pick<DrainConfig, "localStorage" | "unmanagedPods">;

/** `wait`: it ends already. `leave`: nothing of it needs to go. */
export type Verdict = "evict" | "wait" | "leave" | "local-storage" | "unmanaged";

export function verdictOf(pod: Pod, { localStorage, unmanagedPods }: DrainRules): Verdict {
  if (pod.isFinished || pod.isMirror || pod.controller === "DaemonSet") return "leave";
  if (pod.isTerminating) return "wait";
  if (pod.controller === undefined && unmanagedPods === "refuse") return "unmanaged";
  if (pod.emptyDirs.length > 0 && localStorage === "refuse") return "local-storage";
  return "evict";
}

export const isLeft = (pod: Pod, rules: DrainRules): boolean => verdictOf(pod, rules) === "leave";

export const podName = ({ namespace, name }: Pick<Pod, "namespace" | "name">): string =>
  `${namespace}/${name}`;

/** What the site does not allow to evict, and how it would. Undefined: nothing. */
export function refusalOf(
  pods: readonly Pod[],
  rules: DrainRules,
): { what: string; remedy: string } | undefined {
  const those = (verdict: Verdict): string[] =>
    pods.filter((pod) => verdictOf(pod, rules) === verdict).map(podName);
  const local = those("local-storage");
  const unmanaged = those("unmanaged");
  if (local.length + unmanaged.length === 0) return undefined;
  const part = (names: string[], why: string): string[] =>
    names.length === 0 ? [] : [`${why}: ${names.join(", ")}`];
  const keys = [
    ...(local.length === 0 ? [] : ["cluster.drain.localStorage: delete"]),
    ...(unmanaged.length === 0 ? [] : ["cluster.drain.unmanagedPods: delete"]),
  ];
  return {
    what: [
      ...part(local, "pods with data in an emptyDir volume"),
      ...part(unmanaged, "pods that no controller creates again"),
    ].join("; "),
    remedy: `Remove these pods, or state ${keys.join(" and ")} in the site.`,
  };
}

/** The budgets that do not allow an eviction of the pod. */
export function blockingBudgets(pod: Pod, budgets: readonly Budget[]): Budget[] {
  return budgets.filter(
    ({ namespace, selector, allowed }) =>
      allowed === 0 &&
      namespace === pod.namespace &&
      selector !== undefined &&
      selects(selector, pod.labels),
  );
}

/** `default/web-1: PodDisruptionBudget default/web needs 2 healthy pods and has 2` */
export function describeBlocked(pod: Pod, budgets: readonly Budget[]): string {
  const those = blockingBudgets(pod, budgets).map(
    ({ namespace, name, needed, healthy }) =>
      `PodDisruptionBudget ${namespace}/${name} needs ${needed} healthy pods and has ${healthy}`,
  );
  const why = those.length === 0 ? "Kubernetes does not allow its eviction now" : those.join(", ");
  return `${podName(pod)}: ${why}`;
}
