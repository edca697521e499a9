/**
 * Objects of the plugin `kubernetes` that Pulumi owns for good, by the plugin's own tokens. The
 * classes of @pulumi/kubernetes load the whole index of Pulumi's SDK (components/pulumi.ts).
 * tests/unit/components/gitops compares the tokens with them.
 */
import * as pulumi from "../pulumi";
import { Managed } from "../resources";
import { unlocated } from "../sdkDiagnostics";

/** That of @pulumi/kubernetes in package.json. The engine installs the plugin of this version. */
export const PLUGIN_VERSION = "4.34.2";
/** Of a request. The plugin's own limit is 32 s, which a preview without a route would wait. */
const TIMEOUT_SECONDS = 15;

export interface KubernetesProviderArgs {
  /** SHA-256 of the CA. While it is the same, no other change replaces what is in the cluster. */
  caFingerprint: pulumi.Input<string>;
  kubeconfig: pulumi.Input<string>;
}

/**
 * An API that is unreachable changes nothing here, also in an `up`: so every object depends on
 * `ClusterApi`, which fails then.
 */
export class KubernetesProvider extends pulumi.ProviderResource {
  constructor(
    name: string,
    { caFingerprint, kubeconfig }: KubernetesProviderArgs,
    opts?: pulumi.ResourceOptions,
  ) {
    const on = pulumi.output("true");
    const inputs = {
      clusterIdentifier: caFingerprint,
      kubeconfig: pulumi.secret(kubeconfig),
      enableServerSideApply: on,
      skipUpdateUnreachable: on,
      deleteUnreachable: pulumi.output("false"),
      // Else changed data would replace the object.
      enableSecretMutable: on,
      enableConfigMapMutable: on,
      // A creation that was interrupted is repeated. A field of another manager is a conflict.
      upsertExistingObjects: on,
      kubeClientSettings: JSON.stringify({ timeout: TIMEOUT_SECONDS }),
    };
    super("kubernetes", name, unlocated(inputs), { ...opts, version: PLUGIN_VERSION });
  }
}

export interface ObjectArgs {
  apiVersion: string;
  kind: string;
  name: string;
  /** Absent: the kind has no namespaces. */
  namespace?: string;
  /** `data`, `spec` and so on. */
  content?: object;
}

/** The same manager for all time, so that a repeated creation does not conflict with the first. */
const MANAGER = { "pulumi.com/patchFieldManager": "pulumi-microvm" };

/** Removing it forgets it. Deleting a namespace or a Kustomization would delete what is in it. */
export class KubernetesObject extends Managed {
  constructor(resourceName: string, args: ObjectArgs, opts: pulumi.CustomResourceOptions) {
    const { apiVersion, kind, name, namespace, content } = args;
    const metadata = { name, ...(namespace !== undefined && { namespace }), annotations: MANAGER };
    super(
      tokenOf(apiVersion, kind),
      resourceName,
      { apiVersion, kind, metadata, ...content },
      pulumi.mergeOptions(opts, { retainOnDelete: true }),
    );
  }
}

/** `v1`, `Secret` -> `kubernetes:core/v1:Secret` */
export function tokenOf(apiVersion: string, kind: string): string {
  return `kubernetes:${apiVersion.includes("/") ? apiVersion : `core/${apiVersion}`}:${kind}`;
}

/** The values of a Secret, which are secret also in the state. */
export function secretData(
  values: pulumi.Input<Readonly<Record<string, pulumi.Input<string>>>>,
): object {
  const encoded = pulumi
    .output(values)
    .apply((texts) =>
      Object.fromEntries(
        Object.entries(texts).map(([key, text]) => [key, Buffer.from(text).toString("base64")]),
      ),
    );
  return { type: "Opaque", data: pulumi.secret(encoded) };
}
