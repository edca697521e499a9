/**
 * Flux: its controllers, what they need of Pulumi, and the hand-over. Pulumi owns the Secrets, the
 * settings, the GitRepository and the root Kustomization; all else belongs to Flux.
 */
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import * as pulumi from "../pulumi";
import { FluxControllers, FluxHandOver } from "./resources";
import type { GitSeed } from "./resources";
import { unlocated } from "../sdkDiagnostics";
import { KubernetesObject, secretData } from "./kubernetes";
import type { ObjectArgs } from "./kubernetes";
import {
  AGE_SECRET,
  FLUX_NAMESPACE,
  FLUX_SYNC,
  SECRETS,
  SETTINGS,
  rootKustomization,
} from "./root";

const NAME = "flux";

export interface FluxArgs {
  /** Absolute path of the manifests of Flux's controllers. */
  manifests: string;
  /** Data of the ConfigMap cluster-settings. */
  settings: Record<string, string>;
  /** Data of the Secret cluster-secrets. */
  secrets?: pulumi.Output<Record<string, string>> | undefined;
  /** Decrypts what SOPS has encrypted in the tree. */
  ageKey?: pulumi.Output<string> | undefined;
  /** What Flux fetches, from within the cluster. */
  source: { url: string; branch: string; user: string; password: pulumi.Output<string> };
  /** What it applies, from the root of the repository. */
  path: string;
  seed: GitSeed;
  /** Objects of the plugin `kubernetes` are made with it. */
  kubernetes: pulumi.ProviderResource;
  /** The API, and what Flux's pods need. */
  after: pulumi.Input<pulumi.Resource>[];
}

export class Flux extends pulumi.ComponentResource {
  readonly handOver: FluxHandOver;

  constructor(args: FluxArgs, opts?: pulumi.ComponentResourceOptions) {
    super("pulumi-microvm:components:Flux", NAME, unlocated({}), opts);
    const { manifests, settings, secrets, ageKey, source, path, seed, kubernetes, after } = args;
    const controllers = new FluxControllers(
      NAME,
      { namespace: FLUX_NAMESPACE, manifests, digest: digestOf(manifests) },
      { parent: this, dependsOn: after },
    );
    const object = (name: string, what: ObjectArgs, dependsOn: pulumi.Resource[]) =>
      new KubernetesObject(name, what, { parent: this, provider: kubernetes, dependsOn });
    const secret = (name: string, values: Parameters<typeof secretData>[0]): KubernetesObject => {
      const what = { apiVersion: "v1", kind: "Secret", name, namespace: FLUX_NAMESPACE };
      return object(name, { ...what, content: secretData(values) }, [controllers]);
    };

    const { user: username, password } = source;
    const needed = [
      object(SETTINGS.metadata.name, objectOf(SETTINGS, { data: settings }), [controllers]),
      ...(secrets === undefined
        ? []
        : [object(SECRETS.metadata.name, objectOf(SECRETS, secretData(secrets)), [controllers])]),
      ...(ageKey === undefined ? [] : [secret(AGE_SECRET, { "age.agekey": ageKey })]),
    ];
    const credentials = secret(FLUX_SYNC, { username, password });
    const repository = object("git-repository", gitRepository(source), [credentials, seed]);
    const root = rootKustomization(path, ageKey !== undefined);
    const kustomization = object("kustomization", objectOf(root, { spec: root.spec }), [
      repository,
      ...needed,
    ]);
    this.handOver = new FluxHandOver(
      NAME,
      {
        namespace: FLUX_NAMESPACE,
        gitRepository: FLUX_SYNC,
        kustomization: FLUX_SYNC,
        revision: seed.seeded,
      },
      { parent: this, dependsOn: [kustomization] },
    );
    this.registerOutputs();
  }
}

interface Named {
  apiVersion: string;
  kind: string;
  metadata: { name: string; namespace: string };
}

function objectOf({ apiVersion, kind, metadata }: Named, content: object): ObjectArgs {
  return { apiVersion, kind, ...metadata, content };
}

function gitRepository({ url, branch }: FluxArgs["source"]): ObjectArgs {
  const spec = {
    interval: "1m",
    url,
    ref: { branch },
    secretRef: { name: FLUX_SYNC },
  };
  return {
    apiVersion: "source.toolkit.fluxcd.io/v1",
    kind: "GitRepository",
    name: FLUX_SYNC,
    namespace: FLUX_NAMESPACE,
    content: { spec },
  };
}

function digestOf(file: string): string {
  try {
    return createHash("sha256").update(readFileSync(file)).digest("hex");
  } catch (error) {
    const cause = error instanceof Error ? error.message : String(error);
    throw new pulumi.RunError(
      `gitops.flux.manifests can't be read: ${cause}. Write the file by: flux install --export`,
    );
  }
}
