/** What the provider reads of Kubernetes' objects. Pure. */
import type { V1Pod, V1PodDisruptionBudget, V1LabelSelector } from "@kubernetes/client-node";
import { z } from "zod";

export type Labels = Readonly<Record<string, string>>;

export interface Taint {
  key: string;
  value: string;
  effect: string;
  /** Of taints that Kubernetes sets. A patch must keep it. */
  timeAdded?: string;
}

export interface KubeNode {
  name: string;
  isReady: boolean;
  isUnschedulable: boolean;
  labels: Labels;
  annotations: Labels;
  taints: Taint[];
  /** IP addresses and the host name. */
  addresses: string[];
  /** With it, a patch fails if somebody else has changed the node. */
  resourceVersion: string;
  /** `v1.36.3+k0s`. */
  version: string;
}

const texts = z.record(z.string(), z.string()).optional();
const taint = z.object({
  key: z.string(),
  value: z.string().optional(),
  effect: z.string(),
  timeAdded: z.coerce.date().optional(),
});
export const node = z.object({
  metadata: z
    .object({
      name: z.string().optional(),
      labels: texts,
      annotations: texts,
      resourceVersion: z.string().optional(),
    })
    .optional(),
  spec: z
    .object({ unschedulable: z.boolean().optional(), taints: z.array(taint).optional() })
    .optional(),
  status: z
    .object({
      conditions: z.array(z.object({ type: z.string(), status: z.string() })).optional(),
      addresses: z.array(z.object({ address: z.string() })).optional(),
      nodeInfo: z.object({ kubeletVersion: z.string() }).optional(),
    })
    .optional(),
});

export function nodeOf({ metadata, spec, status }: z.infer<typeof node>): KubeNode {
  const ready = status?.conditions?.find(({ type }) => type === "Ready");
  return {
    name: metadata?.name ?? "",
    isReady: ready?.status === "True",
    isUnschedulable: spec?.unschedulable === true,
    labels: metadata?.labels ?? {},
    annotations: metadata?.annotations ?? {},
    taints: (spec?.taints ?? []).map(taintOf),
    addresses: (status?.addresses ?? []).map(({ address }) => address),
    resourceVersion: metadata?.resourceVersion ?? "",
    version: status?.nodeInfo?.kubeletVersion ?? "",
  };
}

const taintOf = ({ key, value, effect, timeAdded }: z.infer<typeof taint>): Taint => ({
  key,
  value: value ?? "",
  effect,
  ...(timeAdded !== undefined && { timeAdded: timeAdded.toISOString() }),
});

/** `key=value:Effect`, or `key:Effect`. */
export const taintText = ({ key, value, effect }: Taint): string =>
  value === "" ? `${key}:${effect}` : `${key}=${value}:${effect}`;

export function parseTaint(text: string): Taint {
  const [, key = "", value = "", effect = ""] = /^([^=:]+)(?:=([^:]*))?:(\w+)$/.exec(text) ?? [];
  return { key, value, effect };
}

/** k0s's record of a controller in etcd. It exists from the first time that the member votes. */
export interface EtcdMember {
  name: string;
  peerAddress: string;
  /** Hexadecimal. A member that joins again has another one. */
  memberId: string;
  isJoined: boolean;
  /** k0s was asked to remove the member. */
  isLeaving: boolean;
  /** k0s's last words about a leave. Words of an earlier membership may be left over. */
  message: string;
}

/** k0s pkg/apis/etcd/v1beta1/types.go */
const etcdMember = z.object({
  metadata: z.object({ name: z.string() }),
  spec: z.object({ leave: z.boolean().default(false) }).prefault({}),
  status: z
    .object({
      peerAddress: z.string().default(""),
      memberID: z.string().default(""),
      message: z.string().default(""),
      conditions: z.array(z.object({ type: z.string(), status: z.string() })).default([]),
    })
    .prefault({}),
});

const etcdMembers = z.object({ items: z.array(etcdMember) });

export function etcdMembersOf(list: unknown): EtcdMember[] {
  return etcdMembers.parse(list).items.map(({ metadata, spec, status }) => ({
    name: metadata.name,
    peerAddress: status.peerAddress,
    memberId: status.memberID,
    isJoined: status.conditions.some((one) => one.type === "Joined" && one.status === "True"),
    isLeaving: spec.leave,
    message: status.message,
  }));
}

export interface Pod {
  namespace: string;
  name: string;
  uid: string;
  labels: Labels;
  /** Succeeded or Failed. */
  isFinished: boolean;
  isTerminating: boolean;
  /** The API's copy of a static pod, which only the node itself can stop. */
  isMirror: boolean;
  /** The kind of the object that creates the pod again. */
  controller: string | undefined;
  /** Names of its emptyDir volumes. */
  emptyDirs: string[];
}

export function podOf({ metadata, spec, status }: V1Pod): Pod {
  return {
    namespace: metadata?.namespace ?? "",
    name: metadata?.name ?? "",
    uid: metadata?.uid ?? "",
    labels: metadata?.labels ?? {},
    isFinished: ["Succeeded", "Failed"].includes(status?.phase ?? ""),
    isTerminating: metadata?.deletionTimestamp !== undefined,
    isMirror: metadata?.annotations?.["kubernetes.io/config.mirror"] !== undefined,
    controller: metadata?.ownerReferences?.find((owner) => owner.controller === true)?.kind,
    emptyDirs: (spec?.volumes ?? []).flatMap(({ name, emptyDir }) =>
      emptyDir === undefined ? [] : [name],
    ),
  };
}

export interface Selector {
  matchLabels: Labels;
  matchExpressions: { key: string; operator: string; values: string[] }[];
}

/** A PodDisruptionBudget. */
export interface Budget {
  namespace: string;
  name: string;
  /** Undefined: it selects no pod. */
  selector: Selector | undefined;
  allowed: number;
  healthy: number;
  needed: number;
}

export function budgetOf({ metadata, spec, status }: V1PodDisruptionBudget): Budget {
  return {
    namespace: metadata?.namespace ?? "",
    name: metadata?.name ?? "",
    selector: spec?.selector && selectorOf(spec.selector),
    allowed: status?.disruptionsAllowed ?? 0,
    healthy: status?.currentHealthy ?? 0,
    needed: status?.desiredHealthy ?? 0,
  };
}

function selectorOf({ matchLabels, matchExpressions }: V1LabelSelector): Selector {
  return {
    matchLabels: matchLabels ?? {},
    matchExpressions: (matchExpressions ?? []).map(({ key, operator, values }) => ({
      key,
      operator,
      values: values ?? [],
    })),
  };
}

/** Kubernetes' rules: all requirements hold. An empty selector selects everything. */
export function selects({ matchLabels, matchExpressions }: Selector, labels: Labels): boolean {
  return (
    Object.entries(matchLabels).every(([key, value]) => labels[key] === value) &&
    matchExpressions.every(({ key, operator, values }) => {
      const value = labels[key];
      switch (operator) {
        case "In":
          return value !== undefined && values.includes(value);
        case "NotIn":
          return value === undefined || !values.includes(value);
        case "Exists":
          return value !== undefined;
        default:
          return value === undefined;
      }
    })
  );
}
