/** The cluster of a site: what waits for what, and which outputs the stack gets. */
import * as pulumi from "@pulumi/pulumi";
import { clusterJson } from "../../../components/cluster";
import { outputsOf } from "../../../components/site";
import { clusterSchema } from "../../../provider/cluster/config";
import { parseSite } from "../../../site/load";
import type { SiteModel } from "../../../site/model";
import { propertiesOf, registerSite, until } from "./registrations";

const KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIK1BP2FxcZgl/MDbgbNVrmHOgZKU28m9OepzjxrxIP6q";
const FINGERPRINT = Array.from({ length: 32 }, () => "AB").join(":");

function site(roles: Record<string, string | undefined>, cluster = true): SiteModel {
  const vms = Object.entries(roles).map(
    ([name, role], index) => `
  ${name}:
    hypervisor: hv1
    vcpu: 1
    memory: 1GiB
    ip: 192.0.2.${31 + index}
    mac: "02:00:00:00:00:${31 + index}"
    volumes: { var: { size: 1GiB, mountPoint: /var } }
${role === undefined ? "" : `    role: ${role}`}`,
  );
  const text = cluster
    ? `cluster: { name: production, k0sVersion: "1.36", caFingerprint: "${FINGERPRINT}",
    api: { endpoint: 192.0.2.20 } }`
    : "";
  return parseSite(
    `
flake: path:/flake
${text}
hypervisors:
  hv1:
    address: 192.0.2.11
    ssh: { hostKey: ${KEY} }
    nic: eno1
    hostIp: 192.0.2.11/24
vms:${vms.join("")}
`,
    "/site.yaml",
  );
}

const CLUSTER = "microvm:index:K0sCluster";
const VM = "microvm:index:MicroVm";
const THREE = { kc1: "controller", kc2: "controller+worker", kw1: "worker", other: undefined };

test("the cluster waits for the VMs of its controllers, and for no other VM", async () => {
  let release: () => void = () => undefined;
  const held = new Promise<void>((go) => (release = go));
  const { requests } = await registerSite(site(THREE), (type, name) =>
    type === VM && name === "kc2" ? held : undefined,
  );
  const types = (): string[] => requests.map((one) => one.getType());
  await until(() => types().filter((type) => type === VM).length === 4);
  await new Promise((wake) => setTimeout(wake, 200));
  expect(types()).not.toContain(CLUSTER);
  release();
  await until(() => types().includes(CLUSTER));
  const request = requests.find((one) => one.getType() === CLUSTER);
  const dependencies = request?.getDependenciesList().map((urn) => urn.split("::").pop());
  expect(dependencies?.sort()).toEqual(["kc1", "kc2"]);
  expect(propertiesOf(request?.getObject()?.toJavaScript())).toMatchObject({
    name: "production",
    caFingerprint: FINGERPRINT,
    members: {
      kc1: { host: "hv1", address: "192.0.2.31", role: "controller", k0sVersion: "1.36.3+k0s.2" },
      kc2: { role: "controller+worker" },
      kw1: { role: "worker", k0sUnit: "u", closure: "/nix/store/x" },
    },
  });
});

test("controllers join one after another, then workers side by side", async () => {
  const roles = { kc2: "controller", kw1: "worker", kw2: "worker", kc1: "controller" };
  const { requests } = await registerSite(site(roles));
  const nodes = () => requests.filter((one) => one.getType() === "microvm:index:K0sNode");
  await until(() => nodes().length === 4);
  const after = nodes().map((one) => {
    const names = one.getDependenciesList().map((urn) => urn.split("::").slice(-2).join(" "));
    const short = names.map((name) => name.replace(/.*microvm:index:/, ""));
    return [one.getName(), [...new Set(short)].sort()] as const;
  });
  const cluster = ["Hypervisor hv1", "K0sCluster cluster"];
  expect(Object.fromEntries(after)).toEqual({
    kc1: [...cluster, "MicroVm kc1"],
    kc2: [...cluster, "K0sNode kc1", "MicroVm kc2"],
    kw1: [...cluster, "K0sNode kc1", "K0sNode kc2", "MicroVm kw1"],
    kw2: [...cluster, "K0sNode kc1", "K0sNode kc2", "MicroVm kw2"],
  });
  for (const node of nodes()) {
    expect(node.getDeletedwith()).toMatch(/K0sCluster::cluster$/);
  }
});

test("the kubeconfig is a secret output of the stack", async () => {
  const { site: made } = await registerSite(site(THREE));
  const { kubeconfig, cluster } = outputsOf(made);
  if (kubeconfig === undefined || cluster === undefined) throw new Error("no outputs");
  expect(await pulumi.isSecret(kubeconfig)).toBe(true);
  const values = await new Promise((resolve) => {
    pulumi.all([kubeconfig, cluster]).apply(resolve);
  });
  expect(values).toEqual([
    "hunter2",
    { name: "production", endpoint: "192.0.2.20", caFingerprint: "AB:CD" },
  ]);
});

test("a site without a cluster has neither the outputs nor the configuration", async () => {
  const model = site({ kw1: undefined }, false);
  const { site: made } = await registerSite(model);
  expect(Object.keys(outputsOf(made))).toEqual(["hypervisors", "vms"]);
  expect(clusterJson(model)).toBeUndefined();
});

test("the provider's configuration has the members", () => {
  const config = clusterSchema.parse(JSON.parse(clusterJson(site(THREE)) ?? ""));
  expect(config).toMatchObject({
    name: "production",
    maxUnavailable: 1,
    drain: { timeoutSeconds: 600, localStorage: "refuse", unmanagedPods: "refuse" },
  });
  expect(config.members["kc2"]).toEqual({
    host: "hv1",
    address: "192.0.2.32",
    role: "controller+worker",
    hostName: "kc2",
  });
  expect(Object.keys(config.members)).toEqual(["kc1", "kc2", "kw1"]);
});
