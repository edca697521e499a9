/** What a site with add-ons registers in its cluster: inputs, options and order. */
import { createHash } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Secret } from "@pulumi/kubernetes/core/v1/secret";
import { Namespace } from "@pulumi/kubernetes/core/v1/namespace";
import { ConfigMap } from "@pulumi/kubernetes/core/v1/configMap";
import * as pulumi from "@pulumi/pulumi";
import type { RegisterResourceRequest } from "@pulumi/pulumi/proto/resource_pb";
import { PLUGIN_VERSION, tokenOf } from "../../../../components/gitops/kubernetes";
import { merged } from "../../../../components/gitops/tree/json";
import type { SiteGitOps } from "../../../../components/site";
import { parseSite } from "../../../../site/load";
import { propertiesOf, registerSite, until } from "../registrations";
import type { Answer } from "../registrations";

const KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIK1BP2FxcZgl/MDbgbNVrmHOgZKU28m9OepzjxrxIP6q";
const SITE = parseSite(
  `
flake: path:/flake
cluster: { name: production, k0sVersion: "1.36", api: { endpoint: 192.0.2.20 } }
hypervisors:
  hv1: { address: 192.0.2.11, ssh: { hostKey: ${KEY} }, nic: eno1, hostIp: 192.0.2.11/24 }
vms:
  kc1: { hypervisor: hv1, role: controller, vcpu: 1, memory: 1GiB, ip: 192.0.2.31,
         mac: "02:00:00:00:00:31", volumes: { var: { size: 1GiB, mountPoint: /var } } }
  kw1: { hypervisor: hv1, role: worker, hostName: worker-1, vcpu: 1, memory: 1GiB,
         ip: 192.0.2.32, mac: "02:00:00:00:00:32",
         volumes: { var: { size: 1GiB, mountPoint: /var } } }
`,
  "/site.yaml",
);
const MANIFESTS = "# Flux\n";
const CANARY = "hunter2-gitops";

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "pulumi-microvm-gitops-"));
  writeFileSync(join(directory, "gotk.yaml"), MANIFESTS);
});
afterEach(async () => {
  await pulumi.runtime.disconnect();
  rmSync(directory, { recursive: true });
});

const release = (name: string, namespace: string, adopter = true) => ({
  isSecret: false,
  release: {
    releaseName: name,
    namespace,
    storageNamespace: namespace,
    chart: { kind: "repository" as const, url: "https://charts", name, version: "1.0.0" },
    values: JSON.stringify({ stated: true }),
    ...(adopter && { adopter: { namespace, name, source: `${name}.yaml:1` } }),
  },
});

const gitOps = (): SiteGitOps => ({
  seeds: [
    { name: "cilium", releases: [release("cilium", "kube-system")], timeoutSeconds: 900 },
    { name: "openebs", releases: [release("openebs", "openebs", false)], timeoutSeconds: 900 },
    {
      name: "rookCeph",
      releases: [release("rook-ceph", "rook-ceph"), release("rook-ceph-cluster", "rook-ceph")],
      timeoutSeconds: 900,
      osds: 3,
    },
    {
      name: "gitea",
      releases: [release("gitea", "gitea", false)],
      timeoutSeconds: 900,
      node: "kw1",
    },
  ],
  tree: {
    directory,
    path: "gitops/clusters/prod",
    branch: "main",
    repository: "platform/cluster",
    commit: "a".repeat(40),
    content: "b".repeat(40),
    faults: [],
  },
  settings: { REGION: "eu" },
  manifests: "gotk.yaml",
  secrets: {
    ageKey: pulumi.secret(`${CANARY}-age`),
    giteaPassword: pulumi.secret(`${CANARY}-gitea`),
    clusterSecrets: pulumi.secret<Record<string, string>>({ TOKEN: `${CANARY}-token` }),
  },
});

const nameOf = (one: RegisterResourceRequest): string => `${shortType(one)} ${one.getName()}`;
const shortType = (one: RegisterResourceRequest): string => one.getType().split(":").pop() ?? "";
const inputsOf = (one: RegisterResourceRequest | undefined): Record<string, unknown> =>
  propertiesOf(one?.getObject()?.toJavaScript() ?? {});

interface Registered {
  requests: RegisterResourceRequest[];
  names: () => string[];
  find: (name: string) => RegisterResourceRequest | undefined;
}

async function registered(answer?: Answer, preview = false): Promise<Registered> {
  const { requests } = await registerSite(SITE, answer, preview, undefined, gitOps);
  const names = (): string[] => requests.map(nameOf);
  const find = (name: string) => requests.find((one) => nameOf(one) === name);
  return { requests, names, find };
}

/** All of the site is registered. */
async function complete(answer?: Answer, preview?: boolean): Promise<Registered> {
  const all = await registered(answer, preview);
  await until(() => all.names().includes("FluxHandOver flux"));
  return all;
}

test("the plugin's provider cannot be replaced by a renewed kubeconfig", async () => {
  const { find } = await complete();
  const provider = find("kubernetes gitops");
  expect(provider?.getVersion()).toBe(PLUGIN_VERSION);
  expect(inputsOf(provider)).toMatchObject({
    clusterIdentifier: "AB:CD",
    enableServerSideApply: "true",
    skipUpdateUnreachable: "true",
    deleteUnreachable: "false",
    enableSecretMutable: "true",
    enableConfigMapMutable: "true",
    upsertExistingObjects: "true",
  });
});

test("every object is kept when it is forgotten, and waits for the API", async () => {
  const { requests } = await complete();
  const objects = requests.filter((one) => one.getType().startsWith("kubernetes:"));
  expect(objects.map(nameOf).sort()).toEqual([
    "ConfigMap cluster-settings",
    "GitRepository git-repository",
    "Kustomization kustomization",
    "Namespace gitea",
    "Secret cluster-secrets",
    "Secret flux-system",
    "Secret gitea-admin",
    "Secret sops-age",
  ]);
  const gates = ["ClusterApi", "FluxControllers", "Secret", "Namespace", "GitRepository"];
  for (const one of objects) {
    expect([nameOf(one), one.getRetainondelete()]).toEqual([nameOf(one), true]);
    expect(one.getProvider()).toContain("pulumi:providers:kubernetes");
    const after = one.getDependenciesList().map((urn) => urn.split("::")[2]?.split(":").pop());
    expect([nameOf(one), after.some((type) => gates.includes(type ?? ""))]).toEqual([
      nameOf(one),
      true,
    ]);
    expect(inputsOf(one)["metadata"]).toMatchObject({
      annotations: { "pulumi.com/patchFieldManager": "pulumi-microvm" },
    });
  }
  const dependencies = (name: string): string =>
    requests
      .find((one) => nameOf(one) === name)
      ?.getDependenciesList()
      .join() ?? "";
  expect(dependencies("Namespace gitea")).toContain("ClusterApi");
  expect(dependencies("FluxControllers flux")).toContain("ClusterApi");
});

test("Flux gets its source, its path, and what was pushed", async () => {
  const { find } = await complete();
  expect(inputsOf(find("GitRepository git-repository"))["spec"]).toMatchObject({
    url: "http://gitea-http.gitea.svc.cluster.local:3000/platform/cluster.git",
    ref: { branch: "main" },
    secretRef: { name: "flux-system" },
  });
  expect(inputsOf(find("Kustomization kustomization"))["spec"]).toMatchObject({
    path: "./gitops/clusters/prod",
    prune: true,
    decryption: { secretRef: { name: "sops-age" } },
  });
  expect(inputsOf(find("FluxHandOver flux"))).toMatchObject({ revision: "c".repeat(40) });
  expect(inputsOf(find("FluxControllers flux"))).toMatchObject({
    digest: createHash("sha256").update(MANIFESTS).digest("hex"),
  });
});

test("values of a tree stay as they are, and stated releases get what k0s needs", async () => {
  const { find } = await complete();
  expect(inputsOf(find("Seed cilium-cilium"))).toMatchObject({
    values: '{"stated":true}',
    owner: "flux",
    gate: { nodes: true },
  });
  const values = (name: string): unknown => JSON.parse(String(inputsOf(find(name))["values"]));
  expect(values("Seed openebs-openebs")).toMatchObject({ loki: { enabled: false }, stated: true });
  expect(values("Seed gitea-gitea")).toMatchObject({
    nodeSelector: { "kubernetes.io/hostname": "worker-1" },
    gitea: { admin: { existingSecret: "gitea-admin" } },
  });
  expect(inputsOf(find("Seed gitea-gitea"))["owner"]).toBe("pulumi");
  expect(inputsOf(find("Seed rookCeph-rook-ceph-cluster"))["gate"]).toEqual({
    cephCluster: { namespace: "rook-ceph", name: "rook-ceph", osds: 3 },
  });
});

test("secrets are marked as such wherever they are", async () => {
  const { requests } = await complete();
  const secretive = requests.filter((one) => {
    const text = JSON.stringify(inputsOf(one));
    const encoded = ["age", "gitea", "token"].map((kind) =>
      Buffer.from(`${CANARY}-${kind}`).toString("base64"),
    );
    return text.includes(CANARY) || encoded.some((one) => text.includes(one));
  });
  expect(secretive.map(nameOf).sort()).toEqual([
    "GitSeed gitops",
    "Secret cluster-secrets",
    "Secret flux-system",
    "Secret gitea-admin",
    "Secret sops-age",
  ]);
  // Pulumi's mark of a secret is beside the value.
  for (const one of secretive) {
    expect(JSON.stringify(inputsOf(one))).toContain("1b47061264138c4ac30d75fd1eb44270");
  }
});

describe("the order", () => {
  const settled = (): Promise<void> => new Promise((wake) => setTimeout(wake, 200));
  const held = (what: string): { answer: Answer; release: () => void } => {
    let release: () => void = () => undefined;
    const gate = new Promise<void>((go) => (release = go));
    const answer: Answer = (type, name) =>
      `${type.split(":").pop() ?? ""} ${name}` === what ? gate : undefined;
    return { answer, release: () => release() };
  };

  test("members join while Cilium is installed, and the rest waits for both", async () => {
    const { answer, release } = held("Seed cilium-cilium");
    const { names } = await registered(answer);
    await until(() => names().includes("K0sNode kw1"));
    await settled();
    expect(names()).not.toContain("Seed openebs-openebs");
    expect(names()).not.toContain("FluxControllers flux");
    release();
    await until(() => names().includes("FluxHandOver flux"));
  });

  test("a member that has not joined holds back what runs on it, but not Cilium", async () => {
    const { answer, release } = held("K0sNode kw1");
    const { names } = await registered(answer);
    await until(() => names().includes("Seed cilium-cilium"));
    await settled();
    expect(names()).not.toContain("Seed openebs-openebs");
    release();
    await until(() => names().includes("FluxHandOver flux"));
  });

  test("Rook holds back nothing", async () => {
    const { answer, release } = held("Seed rookCeph-rook-ceph");
    const { names } = await registered(answer);
    await until(() => names().includes("FluxHandOver flux"));
    expect(names()).not.toContain("Seed rookCeph-rook-ceph-cluster");
    release();
    await until(() => names().includes("Seed rookCeph-rook-ceph-cluster"));
  });

  test("nothing is pushed before Gitea is ready, nor handed over before it is pushed", async () => {
    const gitea = held("Seed gitea-gitea");
    const pushed = held("GitSeed gitops");
    const { names } = await registered(async (type, name) => {
      await gitea.answer(type, name);
      await pushed.answer(type, name);
    });
    await until(() => names().includes("Secret sops-age"));
    expect(names()).not.toContain("GitSeed gitops");
    gitea.release();
    await until(() => names().includes("GitSeed gitops"));
    await settled();
    expect(names()).not.toContain("GitRepository git-repository");
    pushed.release();
    await until(() => names().includes("FluxHandOver flux"));
  });
});

test("a site without add-ons registers nothing of them", async () => {
  const { requests } = await registerSite(SITE);
  await until(() => requests.some((one) => one.getName() === "kw1"));
  await new Promise((wake) => setTimeout(wake, 200));
  expect(requests.map(nameOf).filter((name) => /kubernetes|Seed|Flux|GitOps/.test(name))).toEqual(
    [],
  );
});

test("the tokens and the version are those of @pulumi/kubernetes", () => {
  const token = (type: object): unknown => Reflect.get(type, "__pulumiType");
  expect(tokenOf("v1", "Secret")).toBe(token(Secret));
  expect(tokenOf("v1", "Namespace")).toBe(token(Namespace));
  expect(tokenOf("v1", "ConfigMap")).toBe(token(ConfigMap));
  const file = require.resolve("@pulumi/kubernetes/package.json");
  expect(readFileSync(file, "utf8")).toContain(`"version": "${PLUGIN_VERSION}"`);
});

test("stated values override defaults key by key, and lists as a whole", () => {
  const below = { a: { b: 1, c: [1, 2] }, d: { e: 1 } };
  expect(merged(below, { a: { c: [3] }, d: null })).toEqual({ a: { b: 1, c: [3] }, d: null });
});
