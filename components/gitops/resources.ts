/**
 * The resource classes of what runs in the cluster. components/resources.ts has the others, and
 * says what holds for all of them.
 */
import type { SeedAdopter, SeedChart } from "../../contract/gitops";
import * as pulumi from "../pulumi";
import { Managed } from "../resources";

export interface ClusterApiArgs {
  /** Name of the cluster. */
  cluster: pulumi.Input<string>;
  /** Where clients reach the API: address or DNS name. */
  endpoint: pulumi.Input<string>;
  caFingerprint: pulumi.Input<string>;
}

/** The API as this machine reaches it. Objects of @pulumi/kubernetes depend on it. */
export class ClusterApi extends Managed {
  constructor(name: string, args: ClusterApiArgs, opts?: pulumi.CustomResourceOptions) {
    super("microvm:index:ClusterApi", name, { ...args }, opts);
  }
}

export interface GitSeedArgs {
  /** Absolute path of a directory in the repository. */
  directory: pulumi.Input<string>;
  commit: pulumi.Input<string>;
  /** The tree of the commit. */
  content: pulumi.Input<string>;
  branch: pulumi.Input<string>;
  /** OWNER/NAME */
  repository: pulumi.Input<string>;
  /** Of the Git server. */
  namespace: pulumi.Input<string>;
  service: pulumi.Input<string>;
  port: pulumi.Input<number>;
  user: pulumi.Input<string>;
  password: pulumi.Input<string>;
}

/** The user's repository as a branch of the Git server in the cluster. */
export class GitSeed extends Managed {
  /** The last commit of the site that the branch contained. */
  declare readonly seeded: pulumi.Output<string>;

  constructor(name: string, args: GitSeedArgs, opts?: pulumi.CustomResourceOptions) {
    const password = pulumi.secret(args.password);
    super("microvm:index:GitSeed", name, { ...args, password, seeded: undefined }, opts);
  }
}

export interface FluxControllersArgs {
  namespace: pulumi.Input<string>;
  /** Absolute path of the file. */
  manifests: pulumi.Input<string>;
  /** SHA-256 of the file. */
  digest: pulumi.Input<string>;
}

/** Flux's controllers and kinds, until Flux applies them itself. */
export class FluxControllers extends Managed {
  constructor(name: string, args: FluxControllersArgs, opts?: pulumi.CustomResourceOptions) {
    super("microvm:index:FluxControllers", name, { ...args }, opts);
  }
}

export interface FluxHandOverArgs {
  namespace: pulumi.Input<string>;
  gitRepository: pulumi.Input<string>;
  kustomization: pulumi.Input<string>;
  /** The commit that was pushed. */
  revision: pulumi.Input<string>;
}

/** Flux has applied what was pushed. */
export class FluxHandOver extends Managed {
  constructor(name: string, args: FluxHandOverArgs, opts?: pulumi.CustomResourceOptions) {
    super("microvm:index:FluxHandOver", name, { ...args }, opts);
  }
}

/** What must be so before what depends on a seed. */
export interface SeedGate {
  /** Its workloads are ready. Default: true. */
  workloads?: boolean;
  /** All nodes are Ready. */
  nodes?: boolean;
  /** `PLURAL.GROUP` */
  crds?: string[];
  defaultStorageClass?: boolean;
  cephCluster?: { namespace: string; name: string; osds: number };
}

export interface SeedArgs {
  /** Name of the cluster. */
  cluster: pulumi.Input<string>;
  releaseName: pulumi.Input<string>;
  /** Of the release's objects. */
  namespace: pulumi.Input<string>;
  /** Of Helm's records. Equals `namespace`. */
  storageNamespace: pulumi.Input<string>;
  chart: pulumi.Input<SeedChart>;
  /** JSON. Secret if a part of it is. */
  values: pulumi.Input<string>;
  /** The HelmRelease that takes it over. Absent: none. */
  adopter?: pulumi.Input<SeedAdopter> | undefined;
  /** pulumi: it stays with Pulumi. */
  owner: pulumi.Input<"flux" | "pulumi">;
  gate?: pulumi.Input<SeedGate> | undefined;
  timeoutSeconds?: pulumi.Input<number> | undefined;
}

/** A Helm release that is installed once, and belongs to Flux from when its HelmRelease exists. */
export class Seed extends Managed {
  declare readonly owner: pulumi.Output<"flux" | "pulumi">;
  declare readonly adopted: pulumi.Output<boolean>;
  declare readonly restarted: pulumi.Output<string[]>;

  constructor(name: string, args: SeedArgs, opts?: pulumi.CustomResourceOptions) {
    const outputs = { adopted: undefined, restarted: undefined };
    super("microvm:index:Seed", name, { ...args, ...outputs }, opts);
  }
}
