/** Gates of workloads: Deployments, DaemonSets and StatefulSets. */
import { z } from "zod";
import type { KubeObject } from "../../cluster/kube/objectClient";
import { objectName } from "../helm/manifests";
import type { Workload } from "../helm/manifests";
import type { Gate, Unmet } from "./gate";
import type { Subject } from "./reasons";

const count = z.number().default(0);

const workload = z.object({
  spec: z.object({
    replicas: z.number().default(1),
    selector: z.object({ matchLabels: z.record(z.string(), z.string()).default({}) }).prefault({}),
  }),
  status: z
    .object({
      observedGeneration: count,
      readyReplicas: count,
      updatedReplicas: count,
      desiredNumberScheduled: z.number().optional(),
      numberReady: count,
      updatedNumberScheduled: count,
    })
    .prefault({}),
});

/** All pods are of the latest version of the workload, and ready. */
export function workloadReady(wanted: Workload): Gate {
  return {
    what: `${objectName(wanted)} is ready`,
    async look(objects) {
      const object = await objects.get(wanted.path);
      return object === undefined
        ? { why: "it does not exist", about: [] }
        : unmetBy({ ...object, kind: wanted.kind });
    },
  };
}

/** Pure. */
export function unmetBy(object: KubeObject): Unmet | undefined {
  const { spec, status } = workload.parse(object);
  const isDaemonSet = object.kind === "DaemonSet";
  const wanted = isDaemonSet ? status.desiredNumberScheduled : spec.replicas;
  const updated = isDaemonSet ? status.updatedNumberScheduled : status.updatedReplicas;
  const ready = isDaemonSet ? status.numberReady : status.readyReplicas;
  const about: Subject[] = [
    { kind: "object", object },
    {
      kind: "pods",
      namespace: object.metadata.namespace,
      selector: spec.selector.matchLabels,
    },
  ];
  if (status.observedGeneration < object.metadata.generation || wanted === undefined) {
    return { why: "its controller has not seen it yet", about };
  }
  if (ready >= wanted && updated >= wanted) return undefined;
  const old = updated < wanted ? `, ${updated} updated` : "";
  return { why: `${ready} of ${wanted} pods are ready${old}`, about };
}
