/**
 * Gitea: the Git server that Flux reads from. It stays with Pulumi. Its volume is on one node:
 * after the loss of that volume, `GitSeed` pushes again.
 */
import * as pulumi from "../../pulumi";
import { unlocated } from "../../sdkDiagnostics";
import { KubernetesObject, secretData } from "../kubernetes";
import { AddOn } from "./addOn";
import type { AddOnArgs, Values } from "./addOn";

/** Who pushes, and who reads for Flux. */
export const GITEA_USER = "gitops";
const ADMIN = "gitea-admin";
export const GITEA_PORT = 3000;

export interface GiteaArgs extends Pick<AddOnArgs, "cluster" | "seed" | "after"> {
  /** The name of the node that has the volume. */
  node: string;
  password: pulumi.Output<string>;
  /** The API, as this machine reaches it. */
  api: pulumi.Resource;
  kubernetes: pulumi.ProviderResource;
}

export class Gitea extends pulumi.ComponentResource {
  readonly ready: pulumi.Resource[];
  /** Where it answers in the cluster. */
  readonly service: { namespace: string; name: string };

  constructor(args: GiteaArgs, opts?: pulumi.ComponentResourceOptions) {
    super("pulumi-microvm:components:Gitea", "gitea-server", unlocated({}), opts);
    const { cluster, seed, after, node, password, api, kubernetes } = args;
    const { namespace, releaseName } = releaseOf(args);
    const options = { parent: this, provider: kubernetes };
    const space = new KubernetesObject(
      namespace,
      { apiVersion: "v1", kind: "Namespace", name: namespace },
      { ...options, dependsOn: [api] },
    );
    const content = secretData({ username: GITEA_USER, password });
    const admin = new KubernetesObject(
      ADMIN,
      { apiVersion: "v1", kind: "Secret", name: ADMIN, namespace, content },
      { ...options, dependsOn: [space] },
    );
    const server = new AddOn(
      "GiteaServer",
      {
        cluster,
        seed,
        defaults: values(node, releaseName),
        owner: "pulumi",
        after: pulumi.output(after).apply((all) => [admin, ...all]),
      },
      { parent: this },
    );
    this.ready = server.ready;
    this.service = { namespace, name: `${releaseName}-http` };
    this.registerOutputs();
  }
}

function releaseOf({ seed }: GiteaArgs): { namespace: string; releaseName: string } {
  const [first] = seed.releases;
  if (first === undefined) throw new pulumi.RunError("gitops.seeds.gitea has no release");
  return first.release;
}

/** One pod without other servers: a database and queues in files, caches in memory. */
const values = (node: string, releaseName: string): Values => ({
  // Its service is found by this name.
  fullnameOverride: releaseName,
  "valkey-cluster": { enabled: false },
  valkey: { enabled: false },
  postgresql: { enabled: false },
  "postgresql-ha": { enabled: false },
  persistence: { enabled: true },
  // The new pod cannot have the volume before the old one has left it.
  strategy: { type: "Recreate" },
  nodeSelector: { "kubernetes.io/hostname": node },
  gitea: {
    admin: { existingSecret: ADMIN, passwordMode: "keepUpdated" },
    config: {
      database: { DB_TYPE: "sqlite3" },
      session: { PROVIDER: "memory" },
      cache: { ADAPTER: "memory" },
      queue: { TYPE: "level" },
    },
  },
});
