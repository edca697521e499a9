/** The API of the cluster in a kubeconfig: its kinds, and requests for objects. */
import { existsSync, readFileSync } from "node:fs";
import { request as httpsRequest } from "node:https";
import { parse } from "yaml";
import { z } from "zod";
import { failureOf } from "../../../provider/cluster/kube/failure";
import type { PlainMap } from "../../../provider/wire";
import type { Identity } from "./values";

const contextPart = z.looseObject({ cluster: z.string(), user: z.string() });
const clusterPart = z.looseObject({
  server: z.string(),
  "certificate-authority-data": z.string(),
});
const userPart = z.looseObject({
  "client-certificate-data": z.string(),
  "client-key-data": z.string(),
});
const name = z.string();
const kubeconfigSchema = z.looseObject({
  "current-context": name,
  contexts: z.array(z.looseObject({ name, context: contextPart })),
  clusters: z.array(z.looseObject({ name, cluster: clusterPart })),
  users: z.array(z.looseObject({ name, user: userPart })),
});

/** What clients reach: the part of a kubeconfig that identifies a cluster. */
export interface Target {
  server: string;
  ca: string;
  cert: string;
  key: string;
}

/** `text`: a kubeconfig, or the path of one. Throws if it is none. */
export function targetOf(text: string): Target {
  const content = existsSync(text) ? readFileSync(text, "utf8") : text;
  const config = kubeconfigSchema.parse(parse(content));
  const named = <T extends { name: string }>(all: T[], wanted: string): T => {
    const found = all.find((one) => one.name === wanted);
    if (found === undefined) throw new Error(`the kubeconfig has no ${wanted}`);
    return found;
  };
  const { context } = named(config.contexts, config["current-context"]);
  const { cluster } = named(config.clusters, context.cluster);
  const { user } = named(config.users, context.user);
  const decoded = (base64: string): string => Buffer.from(base64, "base64").toString();
  return {
    server: cluster.server,
    ca: decoded(cluster["certificate-authority-data"]),
    cert: decoded(user["client-certificate-data"]),
    key: decoded(user["client-key-data"]),
  };
}

const kinds = z.looseObject({
  resources: z.array(
    z.looseObject({ name: z.string(), kind: z.string(), namespaced: z.boolean() }),
  ),
});

export interface KindPath {
  isNamespaced: boolean;
  /** Of one object. */
  path: (identity: Identity) => string;
  /** Of all objects in its namespace. */
  collection: (identity: Identity) => string;
}

export class Kube {
  private readonly known = new Map<string, z.infer<typeof kinds>["resources"]>();

  constructor(
    private readonly target: Target,
    private readonly timeoutSeconds: number,
  ) {}

  /** Undefined: the API has no such kind. */
  async kind({ apiVersion, kind }: Identity): Promise<KindPath | undefined> {
    const group = apiVersion.includes("/") ? `/apis/${apiVersion}` : `/api/${apiVersion}`;
    // A kind may be made in this run, so only what was found is kept.
    const listed = this.known.get(group) ?? (await this.list(group));
    const found = listed.find((one) => one.kind === kind && !one.name.includes("/"));
    if (found === undefined) return undefined;
    this.known.set(group, listed);
    const collection = ({ namespace = "default" }: Identity): string =>
      `${group}${found.namespaced ? `/namespaces/${namespace}` : ""}/${found.name}`;
    return {
      isNamespaced: found.namespaced,
      collection,
      path: (identity) => `${collection(identity)}/${identity.name}`,
    };
  }

  private async list(group: string): Promise<z.infer<typeof kinds>["resources"]> {
    try {
      return kinds.parse(await this.request("GET", group)).resources;
    } catch (error) {
      if (error instanceof Error && "code" in error && error.code === 404) return [];
      throw error;
    }
  }

  /** Fails with an ApiFailure, or as the connection fails. */
  request(
    method: string,
    path: string,
    body?: PlainMap,
    type = "application/json",
  ): Promise<PlainMap> {
    const { server, ca, cert, key } = this.target;
    return new Promise((resolve, reject) => {
      const url = new URL(path, server);
      const text = body === undefined ? undefined : JSON.stringify(body);
      const headers: Record<string, string | number> =
        text === undefined
          ? {}
          : { "Content-Type": type, "Content-Length": Buffer.byteLength(text) };
      const timeout = this.timeoutSeconds * 1000;
      const sent = httpsRequest(url, { method, ca, cert, key, headers, timeout }, (response) => {
        let answer = "";
        response.setEncoding("utf8");
        response.on("data", (chunk: string) => (answer += chunk));
        response.on("error", reject);
        response.on("end", () => {
          const { statusCode: status = 0 } = response;
          if (status < 200 || status > 299) reject(failureOf(status, answer));
          else if (answer.startsWith("{"))
            resolve(z.record(z.string(), z.json()).parse(JSON.parse(answer)));
          else resolve({});
        });
      });
      sent.on("timeout", () => sent.destroy(new Error(`no answer in ${this.timeoutSeconds} s`)));
      sent.on("error", reject);
      sent.end(text);
    });
  }
}
