/** Resource options and stack outputs that the program derives from a site. */
import * as pulumi from "@pulumi/pulumi";
import type { RegisterResourceRequest } from "@pulumi/pulumi/proto/resource_pb";
import { Provider } from "../../../components/resources";
import { hostsJson } from "../../../components/site";
import { parseSite } from "../../../site/load";
import { registerAll } from "./registrations";

const KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIK1BP2FxcZgl/MDbgbNVrmHOgZKU28m9OepzjxrxIP6q";
const YAML = `
flake: path:/flake
hypervisors:
  hv1: { address: 192.0.2.11, ssh: { hostKey: ${KEY} }, nic: eno1, hostIp: 192.0.2.11/24,
         system: {} }
  hv2: { address: 192.0.2.12, ssh: { hostKey: ${KEY} }, nic: eno1, hostIp: 192.0.2.12/24 }
vms:
  kw1:
    hypervisor: hv1
    vcpu: 1
    memory: 1GiB
    ip: 192.0.2.31
    mac: "02:00:00:00:00:31"
    startTimeout: 5m
    volumeTimeout: 3h
    volumes: { var: { size: 1GiB }, scratch: { size: 1GiB } }
`;
async function register(
  text: string,
  options?: pulumi.ComponentResourceOptions,
): Promise<Map<string, RegisterResourceRequest>> {
  const { requests } = await registerAll(parseSite(text, "/site.yaml"), options);
  const kind = (type: string): string => type.split(":").slice(-2).join(":");
  return new Map(requests.map((one) => [`${kind(one.getType())} ${one.getName()}`, one]));
}

type Registrations = Awaited<ReturnType<typeof register>>;

const aliases = (all: Registrations): Record<string, string[]> =>
  Object.fromEntries(
    [...all].flatMap(([key, request]) => {
      const names = request.getAliasesList().map((alias) => alias.getSpec()?.getName() ?? "");
      return names.length === 0 ? [] : [[key, names]];
    }),
  );

const protectedOnes = (all: Registrations): string[] =>
  [...all].filter(([, request]) => request.getProtect()).map(([key]) => key);

test("no resource is protected or has an alias by default", async () => {
  const all = await register(YAML);
  expect(protectedOnes(all)).toEqual([]);
  expect(aliases(all)).toEqual({});
});

test("protect of a VM protects its MicroVm, and protect of a volume its Volume", async () => {
  const vm = await register(YAML.replace("    vcpu: 1", "    vcpu: 1\n    protect: true"));
  expect(protectedOnes(vm)).toEqual(["index:MicroVm kw1"]);
  const volume = await register(YAML.replace("var: { size", "var: { protect: true, size"));
  expect(protectedOnes(volume)).toEqual(["index:Volume kw1-var"]);
});

test("each resource of a renamed VM has its old name as alias", async () => {
  const all = await register(YAML.replace("    vcpu: 1", "    vcpu: 1\n    renamedFrom: old"));
  expect(aliases(all)).toEqual({
    "index:NixClosure kw1": ["old"],
    "index:Volume kw1-var": ["old-var"],
    "index:Volume kw1-scratch": ["old-scratch"],
    "components:MicroVm kw1": ["old"],
    "index:MicroVm kw1": ["old"],
  });
});

test("the volumes of a renamed VM wait for its closure, because the first stops it", async () => {
  const needsClosure = async (text: string): Promise<boolean> => {
    const volume = (await register(text)).get("index:Volume kw1-var");
    return (volume?.getDependenciesList() ?? []).some((urn) => urn.includes("NixClosure"));
  };
  expect(await needsClosure(YAML)).toBe(false);
  expect(await needsClosure(YAML.replace("    vcpu: 1", "    vcpu: 1\n    renamedFrom: old"))).toBe(
    true,
  );
});

test("each resource of a renamed hypervisor has its old name as alias", async () => {
  const all = await register(YAML.replace("system: {}", "system: {}, renamedFrom: old"));
  expect(aliases(all)).toEqual({
    "components:HypervisorHost hv1": ["old"],
    "index:Hypervisor hv1": ["old"],
    "index:NixosSystem hv1": ["old"],
  });
});

test("the time limits of the site are those of the resources", async () => {
  const all = await register(YAML.replace("system: {}", "system: {}, buildTimeout: 2h"));
  const limits = (key: string) => all.get(key)?.getCustomtimeouts()?.toObject();
  expect(limits("index:Volume kw1-var")).toMatchObject({
    create: "10800s",
    update: "10800s",
    pb_delete: "10800s",
  });
  expect(limits("index:MicroVm kw1")).toMatchObject({
    create: "300s",
    update: "300s",
    pb_delete: "300s",
  });
  expect(limits("index:NixClosure kw1")).toMatchObject({ create: "7200s", update: "7200s" });
});

test("the settings of a hypervisor are in the provider's hosts", () => {
  const text = YAML.replace("system: {}", "parallelism: 9, waitTimeout: 1h");
  expect(JSON.parse(hostsJson(parseSite(text, "/site.yaml").hypervisors))).toMatchObject({
    hv1: { parallelism: 9, waitTimeoutSeconds: 3600, maintenance: false, forget: false },
    hv2: { parallelism: 4, waitTimeoutSeconds: 6 * 3600 },
  });
});

test("the stack outputs describe each VM and each hypervisor", async () => {
  const { outputs } = await registerAll(parseSite(YAML, "/site.yaml"));
  expect(outputs).toEqual({
    hypervisors: {
      hv1: { machineId: "m", rebootRequired: true, verdicts: { kvm: "ok" } },
      hv2: { machineId: "m", verdicts: { kvm: "ok" } },
    },
    vms: {
      kw1: {
        address: "192.0.2.31",
        hypervisor: "hv1",
        running: true,
        runner: "/nix/store/x",
        stale: false,
        guestHostKey: "ssh-ed25519 k",
      },
    },
  });
});

describe("options of a Site", () => {
  test("protect: every resource in it is protected", async () => {
    const all = await register(YAML, { protect: true });
    const resources = [...all.keys()].filter((key) => key.startsWith("index:"));
    expect(resources.length).toBeGreaterThan(5);
    expect(protectedOnes(all)).toEqual(expect.arrayContaining(resources));
  });

  test("aliases: beside those of a renamed hypervisor", async () => {
    const renamed = YAML.replace("system: {}", "system: {}, renamedFrom: old");
    const all = await register(renamed, { aliases: [{ name: "before" }] });
    expect(aliases(all)).toMatchObject({
      "components:Site lab": ["before"],
      "components:HypervisorHost hv1": ["old"],
    });
  });

  test("providers: no other one is made", async () => {
    const providers = async (options?: () => pulumi.ComponentResourceOptions) => {
      const { requests } = await registerAll(parseSite(YAML, "/site.yaml"), options);
      const of = (type: string) => requests.filter((one) => one.getType() === type);
      const names = of("pulumi:providers:microvm").map((one) => one.getName());
      const used = of("microvm:index:Volume").map((one) => one.getProvider().split("::").at(-2));
      return { names, used: [...new Set(used)] };
    };
    expect(await providers()).toEqual({ names: ["lab"], used: ["lab"] });
    const own = () => ({
      providers: [new Provider("own", { hosts: "{}", agent: true, identityFiles: [] })],
    });
    expect(await providers(own)).toEqual({ names: ["own"], used: ["own"] });
  });
});
