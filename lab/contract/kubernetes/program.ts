/**
 * The program of engine.ts: objects in the cluster as components/gitops makes them. What its
 * environment lacks is not known, as before there is a cluster.
 */
import {
  KubernetesObject,
  KubernetesProvider,
  secretData,
} from "../../../components/gitops/kubernetes";
import * as pulumi from "../../../components/pulumi";
import * as outputs from "@pulumi/pulumi/output";

/** The SDK's mark of a value that a preview does not know. Its declarations leave it out. */
const unknown: unknown = Reflect.get(outputs, "unknown");

/** Unknown, if the environment has no such variable. */
function given(name: string): pulumi.Output<string> {
  const made: unknown = pulumi.output(process.env[name] ?? unknown);
  if (pulumi.Output.isInstance<string>(made)) return made;
  throw new Error("the SDK has changed");
}

const provider = new KubernetesProvider("cluster", {
  caFingerprint: given("FINGERPRINT"),
  kubeconfig: given("KUBECONFIG_OF"),
});
const namespace = new KubernetesObject(
  "namespace",
  { apiVersion: "v1", kind: "Namespace", name: "engine" },
  { provider },
);
const inside = { apiVersion: "v1", namespace: "engine" };
const data = { SIZE: process.env["SIZE"] ?? "1" };
new KubernetesObject(
  "settings",
  { ...inside, kind: "ConfigMap", name: "settings", content: { data } },
  { provider, dependsOn: [namespace] },
);
new KubernetesObject(
  "key",
  { ...inside, kind: "Secret", name: "key", content: secretData({ key: "hunter2-canary" }) },
  { provider, dependsOn: [namespace] },
);
