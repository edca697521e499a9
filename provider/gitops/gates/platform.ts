/** Gates of the cluster itself: nodes, kinds, storage. */
import { z } from "zod";
import type { KubeObject } from "../../cluster/kube/objectClient";
import type { Gate } from "./gate";
import { isTrue } from "./reasons";

const DEFAULT_CLASS = "storageclass.kubernetes.io/is-default-class";

export const nodesReady: Gate = {
  what: "all nodes are Ready",
  async look(objects) {
    const nodes = await objects.list("/api/v1/nodes");
    if (nodes.length === 0) return { why: "the cluster has no nodes", about: [] };
    const waiting = nodes.filter((node) => !isTrue(node, "Ready"));
    if (waiting.length === 0) return undefined;
    const about = waiting.map((object) => {
      return { kind: "object", object: { ...object, kind: "Node" } } as const;
    });
    return { why: `not Ready: ${waiting.map(({ metadata }) => metadata.name).join(", ")}`, about };
  },
};

/** `name`: `helmreleases.helm.toolkit.fluxcd.io` */
export const crdEstablished = (name: string): Gate => ({
  what: `CRD ${name} is established`,
  async look(objects) {
    const path = `/apis/apiextensions.k8s.io/v1/customresourcedefinitions/${name}`;
    const object = await objects.get(path);
    if (object === undefined) return { why: "it does not exist", about: [] };
    if (isTrue(object, "Established")) return undefined;
    return { why: "the API does not serve it yet", about: [{ kind: "object", object }] };
  },
});

export const defaultStorageClass: Gate = {
  what: "there is a default StorageClass",
  async look(objects) {
    const classes = await objects.list("/apis/storage.k8s.io/v1/storageclasses");
    const isDefault = ({ metadata }: KubeObject): boolean =>
      metadata.annotations[DEFAULT_CLASS] === "true";
    if (classes.some(isDefault)) return undefined;
    const names = classes.map(({ metadata }) => metadata.name).join(", ");
    return { why: `the cluster has ${names === "" ? "none" : `only ${names}`}`, about: [] };
  },
};

const ceph = z.object({
  phase: z.string().default("unknown"),
  message: z.string().default(""),
});

/** Rook's CephCluster is Ready also with no OSD at all. */
export const cephReady = (namespace: string, name: string, osds: number): Gate => ({
  what: `CephCluster ${namespace}/${name} is Ready with ${osds} OSDs`,
  async look(objects) {
    const path = `/apis/ceph.rook.io/v1/namespaces/${namespace}/cephclusters/${name}`;
    const object = await objects.get(path);
    if (object === undefined) return { why: "it does not exist", about: [] };
    const about = [
      { kind: "object", object },
      { kind: "pods", namespace, selector: { app: "rook-ceph-osd-prepare" } },
      { kind: "pods", namespace, selector: { app: "rook-ceph-osd" } },
    ] as const;
    const status = ceph.parse(object.status ?? {});
    const phase = `it is ${status.phase}${status.message === "" ? "" : `: ${status.message}`}`;
    if (status.phase !== "Ready") return { why: phase, about };
    const found = await upOsds(objects.list.bind(objects), namespace);
    return found >= osds ? undefined : { why: `${phase}, with ${found} OSDs up`, about };
  },
});

type List = (path: string, query: Record<string, string>) => Promise<KubeObject[]>;

/** Rook runs each OSD as a Deployment of one pod. */
async function upOsds(list: List, namespace: string): Promise<number> {
  const labelSelector = "app=rook-ceph-osd";
  const path = `/apis/apps/v1/namespaces/${namespace}/deployments`;
  return (await list(path, { labelSelector })).filter((one) => isTrue(one, "Available")).length;
}
