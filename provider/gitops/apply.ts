/** Applies objects to the cluster by server-side apply, at the paths that the API lists. */
import { z } from "zod";
import type { ApiAnswer, ApiRequest } from "../cluster/kube/connection";
import { isNotFound } from "../cluster/kube/failure";
import { ProviderError } from "../errors";
import type { Limits } from "../hosts/wait/wait";

/** The part of ClusterAccess that this needs. */
export interface Requests {
  request(call: Limits, request: ApiRequest): Promise<ApiAnswer>;
}

export const kubeObject = z.looseObject({
  apiVersion: z.string().min(1),
  kind: z.string().min(1),
  metadata: z.looseObject({
    name: z.string().min(1),
    namespace: z.string().optional(),
    labels: z.record(z.string(), z.string()).optional(),
  }),
});
export type Applied = z.infer<typeof kubeObject>;

const resourceList = z.looseObject({
  resources: z.array(
    z.looseObject({ name: z.string(), kind: z.string(), namespaced: z.boolean() }),
  ),
});
type Kinds = z.infer<typeof resourceList>["resources"];

export class Applier {
  private readonly known = new Map<string, Kinds>();

  constructor(
    private readonly api: Requests,
    private readonly call: Limits,
    /** The name of the objects' manager in their managedFields. */
    private readonly manager: string,
  ) {}

  async apply(object: Applied): Promise<void> {
    const path = await this.pathOf(object);
    const request: ApiRequest = {
      method: "PATCH",
      path: `${path}?fieldManager=${this.manager}&force=true`,
      // JSON is YAML.
      headers: { "Content-Type": "application/apply-patch+yaml" },
      body: JSON.stringify(object),
    };
    await this.api.request(this.call, request);
  }

  private async pathOf({ apiVersion, kind, metadata }: Applied): Promise<string> {
    const group = apiVersion.includes("/") ? `/apis/${apiVersion}` : `/api/${apiVersion}`;
    const kinds = this.known.get(group) ?? (await this.kindsOf(group));
    this.known.set(group, kinds);
    const found = kinds.find((one) => one.kind === kind && !one.name.includes("/"));
    if (found === undefined) {
      throw new ProviderError("input", `the cluster has no kind ${kind} in ${apiVersion}`);
    }
    const { name, namespace = "default" } = metadata;
    const where = found.namespaced ? `/namespaces/${namespace}` : "";
    return `${group}${where}/${found.name}/${name}`;
  }

  private async kindsOf(path: string): Promise<Kinds> {
    try {
      const { body } = await this.api.request(this.call, { method: "GET", path, headers: {} });
      return resourceList.parse(JSON.parse(body)).resources;
    } catch (error) {
      if (isNotFound(error)) return [];
      throw error;
    }
  }
}

/** What others need comes first: namespaces, then definitions of kinds. */
export function inOrder<T extends { kind: string }>(objects: readonly T[]): T[] {
  const rank = ({ kind }: T): number => {
    const index = ["Namespace", "CustomResourceDefinition"].indexOf(kind);
    return index < 0 ? 2 : index;
  };
  return [...objects].sort((a, b) => rank(a) - rank(b));
}
