/** Why workloads are not ready: what their pods, events, claims and conditions say. */
import { z } from "zod";
import type { KubeObject, ObjectApi } from "../../cluster/kube/objectClient";
import { printable } from "../../hosts/transport/printable";

const PODS = 3;
const EVENTS = 5;
const MOST = 300;

/** An object that can explain something. */
export type Subject =
  | { kind: "pods"; namespace: string; selector: Readonly<Record<string, string>> }
  | { kind: "object"; object: KubeObject };

const condition = z.object({
  type: z.string(),
  status: z.string(),
  reason: z.string().default(""),
  message: z.string().default(""),
});

const conditions = z.object({ conditions: z.array(condition).default([]) }).prefault({});
export type Condition = z.infer<typeof condition>;

export function conditionsOf({ status }: KubeObject): Condition[] {
  return conditions.safeParse(status ?? {}).data?.conditions ?? [];
}

const state = z
  .object({
    waiting: z.object({ reason: z.string().default(""), message: z.string().default("") }),
    terminated: z.object({ reason: z.string().default(""), exitCode: z.number().default(0) }),
  })
  .partial()
  .prefault({});

const container = z.object({ name: z.string(), state, lastState: state });

const pod = z.object({
  spec: z
    .object({
      volumes: z
        .array(z.object({ persistentVolumeClaim: z.object({ claimName: z.string() }).optional() }))
        .default([]),
    })
    .prefault({}),
  status: z
    .object({
      phase: z.string().default(""),
      initContainerStatuses: z.array(container).default([]),
      containerStatuses: z.array(container).default([]),
    })
    .prefault({}),
});

const event = z.object({
  type: z.string().default(""),
  reason: z.string().default(""),
  message: z.string().default(""),
  lastTimestamp: z.string().nullish(),
  eventTime: z.string().nullish(),
});

export async function reasonsOf(
  objects: ObjectApi,
  subjects: readonly Subject[],
): Promise<string[]> {
  const found = await Promise.all(
    subjects.map((subject) =>
      subject.kind === "pods"
        ? reasonsOfPods(objects, subject.namespace, subject.selector)
        : reasonsOfObject(objects, subject.object),
    ),
  );
  return [...new Set(found.flat())].map(safe);
}

async function reasonsOfPods(
  objects: ObjectApi,
  namespace: string,
  selector: Readonly<Record<string, string>>,
): Promise<string[]> {
  const labelSelector = Object.entries(selector)
    .map(([key, value]) => `${key}=${value}`)
    .join(",");
  const pods = await objects.list(`/api/v1/namespaces/${namespace}/pods`, { labelSelector });
  const unready = pods.filter((one) => !isTrue(one, "Ready")).slice(0, PODS);
  const reasons = await Promise.all(unready.map((one) => reasonsOfPod(objects, one)));
  return reasons.flat();
}

async function reasonsOfPod(objects: ObjectApi, object: KubeObject): Promise<string[]> {
  const { name, namespace } = object.metadata;
  const { spec, status } = pod.parse(object);
  const claims = spec.volumes.flatMap(({ persistentVolumeClaim: claim }) =>
    claim === undefined ? [] : [claim.claimName],
  );
  const of = `pod ${namespace}/${name}`;
  return [
    ...conditionsOf(object)
      .filter((one) => one.type === "PodScheduled" && one.status !== "True")
      .map(({ reason, message }) => `${of}: ${reason}: ${message}`),
    ...[...status.initContainerStatuses, ...status.containerStatuses].flatMap((one) =>
      wordsOf(one).map((words) => `${of}: container ${one.name}: ${words}`),
    ),
    ...(await eventsOf(objects, object, of, "Warning")),
    ...(await Promise.all(claims.map((claim) => reasonsOfClaim(objects, namespace, claim)))).flat(),
  ];
}

function wordsOf({ state: now, lastState }: z.infer<typeof container>): string[] {
  const { waiting, terminated } = now;
  const ended = terminated ?? lastState.terminated;
  return [
    ...(waiting === undefined ? [] : [`${waiting.reason}: ${waiting.message}`]),
    ...(ended === undefined ? [] : [`it ended: ${ended.reason}, exit code ${ended.exitCode}`]),
  ];
}

async function reasonsOfClaim(
  objects: ObjectApi,
  namespace: string,
  name: string,
): Promise<string[]> {
  const path = `/api/v1/namespaces/${namespace}/persistentvolumeclaims/${name}`;
  const claim = await objects.get(path);
  const of = `volume claim ${namespace}/${name}`;
  if (claim === undefined) return [`${of}: it does not exist`];
  const phase = z.object({ phase: z.string() }).safeParse(claim.status).data?.phase ?? "Pending";
  if (phase === "Bound") return [];
  return [`${of}: ${phase}`, ...(await eventsOf(objects, claim, of))];
}

async function reasonsOfObject(objects: ObjectApi, object: KubeObject): Promise<string[]> {
  const { name, namespace } = object.metadata;
  const of = `${object.kind} ${namespace === "" ? name : `${namespace}/${name}`}`.trim();
  return [
    ...conditionsOf(object)
      .filter(isBad)
      .map(({ type, reason, message }) => `${of}: ${type}: ${reason}: ${message}`),
    ...(await eventsOf(objects, object, of, "Warning")),
  ];
}

/** Most conditions are good when they are true. */
function isBad({ type, status, message }: Condition): boolean {
  if (message === "" || type === "Reconciling") return false;
  const isFault = /Failure|Pressure|Unavailable|Stalled/.test(type);
  return isFault ? status === "True" : status !== "True";
}

/** The latest ones. */
async function eventsOf(
  objects: ObjectApi,
  { metadata: { uid, namespace } }: KubeObject,
  of: string,
  type?: string,
): Promise<string[]> {
  if (uid === "" || namespace === "") return [];
  const selectors = [`involvedObject.uid=${uid}`, ...(type === undefined ? [] : [`type=${type}`])];
  const listed = await objects.list(`/api/v1/namespaces/${namespace}/events`, {
    fieldSelector: selectors.join(","),
  });
  const timeOf = (one: z.infer<typeof event>): string => one.lastTimestamp ?? one.eventTime ?? "";
  return listed
    .map((one) => event.parse(one))
    .sort((a, b) => timeOf(b).localeCompare(timeOf(a)))
    .slice(0, EVENTS)
    .map(({ reason, message }) => `${of}: event ${reason}: ${message}`);
}

export function isTrue(object: KubeObject, type: string): boolean {
  return conditionsOf(object).some((one) => one.type === type && one.status === "True");
}

function safe(reason: string): string {
  const text = printable(reason).trim().replace(/:\s*$/, "");
  return text.length > MOST ? `${text.slice(0, MOST)}…` : text;
}
