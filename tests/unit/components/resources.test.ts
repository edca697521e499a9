/** Compares the resource classes of the program with the schema of the provider. */
import * as pulumi from "@pulumi/pulumi";
import { z } from "zod";
import * as gitOps from "../../../components/gitops/resources";
import * as resources from "../../../components/resources";
import { packageSchema } from "../../../provider/schema";
import { parseSite } from "../../../site/load";
import { propertiesOf, registerAll } from "./registrations";

const KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIK1BP2FxcZgl/MDbgbNVrmHOgZKU28m9OepzjxrxIP6q";
/** A site that sets everything that becomes an input. */
const YAML = `
flake: path:/flake
hypervisors:
  hv1:
    address: 192.0.2.11
    ssh: { hostKey: ${KEY} }
    nic: eno1
    hostIp: 192.0.2.11/24
    system: {}
    renamedFrom: hv0
cluster:
  name: production
  k0sVersion: "1.36"
  caFingerprint: ${Array.from({ length: 32 }, () => "AB").join(":")}
vms:
  kw1:
    hypervisor: hv1
    role: controller
    hostName: kw0
    vcpu: 1
    memory: 1GiB
    memoryTarget: 512MiB
    ip: 192.0.2.31
    mac: "02:00:00:00:00:31"
    renamedFrom: kw0
    volumes: { var: { size: 1GiB, mountPoint: /var } }
`;

const named = z.record(z.string(), z.unknown());
const resourceSpec = z.object({
  inputProperties: named,
  requiredInputs: z.array(z.string()),
  properties: named,
});
const schema = z
  .object({
    provider: z.object({ inputProperties: named }),
    resources: z.record(z.string(), resourceSpec),
  })
  .parse(JSON.parse(packageSchema("0.0.0")));

const TOKENS = Object.keys(schema.resources);
/** Registered for a site with add-ons in the cluster. */
const ADD_ONS = ["ClusterApi", "GitSeed", "FluxControllers", "FluxHandOver", "Seed"].map(
  (type) => `microvm:index:${type}`,
);
const OTHERS = TOKENS.filter((token) => !ADD_ONS.includes(token));

/** Token -> the inputs of its resources in the site above. */
let inputs = new Map<string, string[]>();

beforeAll(async () => {
  const { requests } = await registerAll(parseSite(YAML, "/site.yaml"));
  inputs = new Map(
    requests.map((one) => [one.getType(), Object.keys(one.getObject()?.toJavaScript() ?? {})]),
  );
});

test("a site registers every resource of the schema, and no other resource of the package", () => {
  const tokens = [...inputs.keys()].filter((token) => token.startsWith("microvm:"));
  expect(tokens.sort()).toEqual(OTHERS.sort());
});

test.each(OTHERS)("%s gets each required input and only inputs of the schema", (token) => {
  const passed = inputs.get(token) ?? [];
  const spec = schema.resources[token];
  expect(Object.keys(spec?.inputProperties ?? {})).toEqual(expect.arrayContaining(passed));
  expect(passed).toEqual(expect.arrayContaining(spec?.requiredInputs ?? []));
});

test("each input of the schema is passed to the provider, and no other", () => {
  const passed = (inputs.get("pulumi:providers:microvm") ?? []).filter((key) => key !== "version");
  expect(passed.sort()).toEqual(Object.keys(schema.provider.inputProperties).sort());
});

const text = "x";
const make: Readonly<Record<string, () => pulumi.CustomResource>> = {
  "microvm:index:Hypervisor": () => {
    const args: Required<resources.HypervisorArgs> = {
      host: text,
      renamedFrom: text,
      endpoint: text,
      bridge: text,
      nic: text,
      shared: true,
      wants: [],
      renamedVms: {},
      system: text,
      checks: {},
    };
    return new resources.Hypervisor("x", args);
  },
  "microvm:index:NixosSystem": () => {
    const args: Required<resources.NixosSystemArgs> = {
      host: text,
      renamedFrom: text,
      drvPath: text,
      toplevel: text,
      build: "host",
      buildTimeoutSeconds: 1,
      rebootPolicy: "never",
      switchTimeoutSeconds: 1,
      confirmTimeoutSeconds: 1,
      bootTimeoutSeconds: 1,
      stopOrder: [],
      vmDerivations: [],
      packages: {},
      bootHash: text,
    };
    return new resources.NixosSystem("x", args);
  },
  "microvm:index:Volume": () => {
    const args: Required<resources.VolumeArgs> = {
      host: text,
      renamedFrom: text,
      machineId: text,
      vm: text,
      name: text,
      image: text,
      sizeMiB: 1,
      fsType: "ext4",
      label: text,
      onDelete: "retain",
      address: text,
    };
    return new resources.Volume("x", args);
  },
  "microvm:index:NixClosure": () => {
    const args: Required<resources.NixClosureArgs> = {
      host: text,
      renamedFrom: text,
      machineId: text,
      name: text,
      roots: {},
      build: "host",
      packages: {},
    };
    return new resources.NixClosure("x", args);
  },
  "microvm:index:MicroVm": () => {
    const args: Required<resources.MicroVmResourceArgs> = {
      host: text,
      renamedFrom: text,
      machineId: text,
      name: text,
      runner: text,
      toplevel: text,
      address: text,
      hostName: text,
      bridge: text,
      mac: text,
      vsockCid: 3,
      shareSources: [],
      running: true,
      restart: text,
      memoryTargetMiB: 1,
      hardware: text,
      hardwareParts: { memory: text },
      closureInfo: text,
      liveSwitch: true,
      updatePolicy: "live",
      switchTimeoutSeconds: 1,
    };
    return new resources.MicroVmResource("x", args);
  },
  "microvm:index:K0sCluster": () => {
    const args: Required<resources.K0sClusterArgs> = {
      name: text,
      endpoint: text,
      sans: [],
      podNetwork: text,
      serviceNetwork: text,
      nodeLocalLoadBalancing: true,
      caFingerprint: text,
      maxUnavailable: 1,
      members: {},
    };
    return new resources.K0sCluster("x", args);
  },
  "microvm:index:K0sNode": () => {
    const args: Required<resources.K0sNodeArgs> = {
      host: text,
      renamedFrom: text,
      machineId: text,
      name: text,
      hostName: text,
      address: text,
      role: "worker",
      cluster: text,
      labels: {},
      taints: [],
      closure: text,
      k0sUnit: text,
      k0sVersion: text,
    };
    return new resources.K0sNode("x", args);
  },
  "microvm:index:Seed": () => {
    const args: Required<gitOps.SeedArgs> = {
      cluster: text,
      releaseName: text,
      namespace: text,
      storageNamespace: text,
      chart: { kind: "oci", url: text, version: text },
      values: "{}",
      adopter: { namespace: text, name: text, source: text },
      owner: "flux",
      gate: {},
      timeoutSeconds: 1,
    };
    return new gitOps.Seed("x", args);
  },
  "microvm:index:ClusterApi": () => {
    const args: Required<gitOps.ClusterApiArgs> = {
      cluster: text,
      endpoint: text,
      caFingerprint: text,
    };
    return new gitOps.ClusterApi("x", args);
  },
  "microvm:index:GitSeed": () => {
    const args: Required<gitOps.GitSeedArgs> = {
      directory: text,
      commit: text,
      content: text,
      branch: text,
      repository: text,
      namespace: text,
      service: text,
      port: 1,
      user: text,
      password: text,
    };
    return new gitOps.GitSeed("x", args);
  },
  "microvm:index:FluxControllers": () => {
    const args: Required<gitOps.FluxControllersArgs> = {
      namespace: text,
      manifests: text,
      digest: text,
    };
    return new gitOps.FluxControllers("x", args);
  },
  "microvm:index:FluxHandOver": () => {
    const args: Required<gitOps.FluxHandOverArgs> = {
      namespace: text,
      gitRepository: text,
      kustomization: text,
      revision: text,
    };
    return new gitOps.FluxHandOver("x", args);
  },
};

test.each(TOKENS)(
  "%s: the class passes each input and declares only outputs of the schema",
  async (token) => {
    await pulumi.runtime.setMocks({
      newResource: ({ inputs }) => ({ id: "x", state: propertiesOf(inputs) }),
      call: () => ({}),
    });
    const made = make[token]?.();
    const properties = Object.entries(made ?? {})
      .filter(([name, value]) => pulumi.Output.isInstance(value) && !["urn", "id"].includes(name))
      .map(([name]) => name);
    await pulumi.runtime.disconnect();
    const spec = schema.resources[token];
    expect(Object.keys(spec?.properties ?? {})).toEqual(expect.arrayContaining(properties));
    expect(properties).toEqual(expect.arrayContaining(Object.keys(spec?.inputProperties ?? {})));
  },
);
