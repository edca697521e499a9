/**
 * What runs in the cluster, in its order: Cilium, then storage, then Gitea, then the tree is pushed
 * and Flux takes over. Rook runs beside it. docs/gitops.md says what belongs to whom.
 */
import { join } from "node:path";
import type { SeedName } from "../../contract/gitops";
import * as pulumi from "../pulumi";
import { ClusterApi, GitSeed } from "./resources";
import type { K0sCluster } from "../resources";
import { unlocated } from "../sdkDiagnostics";
import type { SeedSpec } from "./addOns/addOn";
import { Cilium } from "./addOns/cilium";
import { GITEA_PORT, GITEA_USER, Gitea } from "./addOns/gitea";
import { OpenEbs } from "./addOns/openEbs";
import { RookCeph } from "./addOns/rookCeph";
import { Flux } from "./flux";
import { KubernetesProvider } from "./kubernetes";
import type { SiteRepository } from "./repository";

const NAME = "gitops";

/** A seed, with what only some of them have. */
export interface ClusterSeed extends SeedSpec {
  osds?: number;
  /** The worker that has the volume. */
  node?: string;
}

/** The user's repository, and what of it Flux applies. */
export interface PushedTree extends SiteRepository {
  /** Absolute path of the tree. */
  directory: string;
  /** What Flux applies, from the root of the repository. */
  path: string;
  branch: string;
  /** OWNER/NAME in Gitea. */
  repository: string;
}

/** From the stack's secrets. */
export interface ClusterSecrets {
  ageKey?: pulumi.Output<string> | undefined;
  giteaPassword?: pulumi.Output<string> | undefined;
  /** Data of the Secret cluster-secrets. */
  clusterSecrets?: pulumi.Output<Record<string, string>> | undefined;
}

export interface GitOpsArgs {
  cluster: { name: string; endpoint: string; nodeLocalLoadBalancing: boolean };
  resource: K0sCluster;
  /** The members that have joined. */
  members: pulumi.Input<pulumi.Resource>[];
  /** VM -> its name in the cluster, for those that have a node. */
  nodes: ReadonlyMap<string, string>;
  seeds: readonly ClusterSeed[];
  /** Absent: nothing is pushed. */
  tree?: PushedTree | undefined;
  settings: Record<string, string>;
  /** Path of Flux's manifests in the tree. Absent: Flux is not installed. */
  manifests?: string | undefined;
  secrets: ClusterSecrets;
}

export class GitOps extends pulumi.ComponentResource {
  private readonly seeds: ReadonlyMap<SeedName, ClusterSeed>;

  constructor(
    private readonly args: GitOpsArgs,
    opts?: pulumi.ComponentResourceOptions,
  ) {
    super("pulumi-microvm:components:GitOps", NAME, unlocated({}), opts);
    const { cluster, resource, members } = args;
    this.seeds = new Map(args.seeds.map((seed) => [seed.name, seed]));
    const parent = { parent: this };

    const cilium = this.add("cilium", (seed) => {
      const nodes = args.nodes.size;
      return new Cilium({ cluster, seed, nodes, after: [resource] }, parent);
    });
    // The members are ready by Cilium, and Cilium on all of them by the members.
    const network = [...(cilium?.ready ?? []), ...members];
    const api = new ClusterApi(
      NAME,
      {
        cluster: cluster.name,
        endpoint: cluster.endpoint,
        caFingerprint: resource.caFingerprint,
      },
      { ...parent, dependsOn: [resource] },
    );
    const kubernetes = new KubernetesProvider(NAME, resource, parent);
    const name = cluster.name;
    const openEbs = this.add("openebs", (seed) => {
      return new OpenEbs({ cluster: name, seed, after: network }, parent);
    });
    this.add("rookCeph", (seed) => {
      return new RookCeph({ cluster: name, seed, osds: seed.osds, after: network }, parent);
    });
    const storage = [...network, ...(openEbs?.ready ?? [])];
    const gitea = this.add("gitea", (seed) => {
      const node = args.nodes.get(seed.node ?? "") ?? "";
      const password = this.giteaPassword();
      const server = { cluster: name, seed, node, password, api, kubernetes, after: storage };
      return new Gitea(server, parent);
    });
    if (gitea !== undefined) this.handOver(gitea, api, kubernetes, network);
    this.registerOutputs();
  }

  private add<T>(name: SeedName, make: (seed: ClusterSeed) => T): T | undefined {
    const seed = this.seeds.get(name);
    return seed && make(seed);
  }

  private handOver(
    gitea: Gitea,
    api: ClusterApi,
    kubernetes: KubernetesProvider,
    network: pulumi.Input<pulumi.Resource>[],
  ): void {
    const { tree, settings, manifests, secrets } = this.args;
    if (tree === undefined) return;
    const { directory, commit, content, branch, repository, path } = tree;
    const { namespace, name: service } = gitea.service;
    const password = this.giteaPassword();
    const account = { user: GITEA_USER, password };
    const seed = new GitSeed(
      NAME,
      {
        directory,
        commit,
        content,
        branch,
        repository,
        namespace,
        service,
        port: GITEA_PORT,
        ...account,
      },
      { parent: this, dependsOn: gitea.ready },
    );
    if (manifests === undefined) return;
    const host = `${service}.${namespace}.svc.cluster.local`;
    const url = `http://${host}:${GITEA_PORT}/${repository}.git`;
    new Flux(
      {
        manifests: join(directory, manifests),
        settings,
        secrets: secrets.clusterSecrets,
        ageKey: secrets.ageKey,
        source: { url, branch, ...account },
        path,
        seed,
        kubernetes,
        after: [api, ...network],
      },
      { parent: this },
    );
  }

  private giteaPassword(): pulumi.Output<string> {
    const { giteaPassword } = this.args.secrets;
    if (giteaPassword !== undefined) return giteaPassword;
    throw new pulumi.RunError(
      "gitops.seeds.gitea needs a password: pulumi config set --secret giteaPassword",
    );
  }
}
