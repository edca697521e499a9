/**
 * Objects of any kind by their paths in the API: for kinds that the provider only reads, such as
 * those of Helm and Flux. It does not load @kubernetes/client-node.
 */
import { z } from "zod";
import type { Limits } from "../../hosts/wait/wait";
import type { ApiAnswer, ApiRequest } from "./connection";
import { isNotFound } from "./failure";

/** Objects of a list that the API sends at once. Records of Helm can have a MiB each. */
const PAGE = 100;
const METADATA_ONLY =
  "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,application/json";

const text = z.record(z.string(), z.string());

const metadata = z.looseObject({
  name: z.string().default(""),
  namespace: z.string().default(""),
  uid: z.string().default(""),
  resourceVersion: z.string().default(""),
  generation: z.number().default(0),
  labels: text.default({}),
  annotations: text.default({}),
});

const kubeObject = z.looseObject({
  kind: z.string().default(""),
  metadata: metadata.prefault({}),
  spec: z.unknown().optional(),
  status: z.unknown().optional(),
});
/** An object as the API sends it. Readers of a kind parse its other fields. */
export type KubeObject = z.infer<typeof kubeObject>;

export const parseKubeObject = (content: unknown): KubeObject => kubeObject.parse(content);

const page = z.object({
  /** Null in an empty list of metadata. */
  items: z.array(kubeObject).nullish(),
  metadata: z.object({ continue: z.string().default("") }).prefault({}),
});

export type Query = Readonly<Record<string, string>>;

/** Failures: ApiFailure, or `unreachable`. */
export interface ObjectApi {
  /** Empty if the API has no such kind. */
  list(path: string, query?: Query): Promise<KubeObject[]>;
  /** The same without specs, data and statuses. */
  listMetadata(path: string, query?: Query): Promise<KubeObject[]>;
  /** Undefined if there is none. */
  get(path: string): Promise<KubeObject | undefined>;
  /** A JSON merge patch. With a resourceVersion in it, it fails if the object has changed. */
  patch(path: string, body: object): Promise<KubeObject>;
}

/** The part of ClusterAccess that this needs. */
export interface KubeRequests {
  request(call: Limits, request: ApiRequest): Promise<ApiAnswer>;
}

export class ObjectClient implements ObjectApi {
  /** `limits`: those of the call for which the client is made. */
  constructor(
    private readonly api: KubeRequests,
    private readonly limits: Limits,
  ) {}

  list(path: string, query: Query = {}): Promise<KubeObject[]> {
    return this.pages(path, query, "application/json");
  }

  listMetadata(path: string, query: Query = {}): Promise<KubeObject[]> {
    return this.pages(path, query, METADATA_ONLY);
  }

  async get(path: string): Promise<KubeObject | undefined> {
    const answer = await this.unlessNone(path, "application/json");
    return answer && kubeObject.parse(JSON.parse(answer.body));
  }

  async patch(path: string, body: object): Promise<KubeObject> {
    const headers = {
      accept: "application/json",
      "content-type": "application/merge-patch+json",
    };
    const request = { method: "PATCH", path, headers, body: JSON.stringify(body) };
    const answer = await this.api.request(this.limits, request);
    return kubeObject.parse(JSON.parse(answer.body));
  }

  private async pages(path: string, query: Query, accept: string): Promise<KubeObject[]> {
    const all: KubeObject[] = [];
    let from = "";
    do {
      const more = { limit: String(PAGE), ...query, ...(from !== "" && { continue: from }) };
      const asked = new URLSearchParams(more).toString();
      const answer = await this.unlessNone(`${path}?${asked}`, accept);
      if (answer === undefined) return all;
      const { items, metadata: next } = page.parse(JSON.parse(answer.body));
      all.push(...(items ?? []));
      from = next.continue;
    } while (from !== "");
    return all;
  }

  private async unlessNone(path: string, accept: string): Promise<ApiAnswer | undefined> {
    try {
      const request = { method: "GET", path, headers: { accept } };
      return await this.api.request(this.limits, request);
    } catch (error) {
      if (isNotFound(error)) return undefined;
      throw error;
    }
  }
}
