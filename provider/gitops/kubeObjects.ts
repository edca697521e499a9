/** Objects of Kubernetes as JSON, by the cluster's connections. For kinds that have no client. */
import { z } from "zod";
import type { ApiAnswer, ApiRequest } from "../cluster/kube/connection";
import { isNotFound } from "../cluster/kube/failure";
import type { Limits } from "../hosts/wait/wait";

/** The part of ClusterAccess that this needs. */
export interface KubeRequests {
  request(call: Limits, request: ApiRequest): Promise<ApiAnswer>;
}

const object = z.looseObject({});
export type KubeObject = z.infer<typeof object>;

/** Undefined: there is no such object, or no such kind. */
export async function readObject(
  api: KubeRequests,
  call: Limits,
  path: string,
): Promise<KubeObject | undefined> {
  try {
    const { body } = await api.request(call, { method: "GET", path, headers: {} });
    return object.parse(JSON.parse(body));
  } catch (error) {
    if (isNotFound(error)) return undefined;
    throw error;
  }
}

/** Sets annotations by a merge patch. */
export async function annotate(
  api: KubeRequests,
  call: Limits,
  path: string,
  annotations: Readonly<Record<string, string>>,
): Promise<void> {
  await api.request(call, {
    method: "PATCH",
    path: `${path}?fieldManager=pulumi-microvm`,
    headers: { "Content-Type": "application/merge-patch+json" },
    body: JSON.stringify({ metadata: { annotations } }),
  });
}
