/** Records what a site registers with the engine. The SDK's mocks replace the engine. */
import * as pulumi from "@pulumi/pulumi";
import type { RegisterResourceRequest } from "@pulumi/pulumi/proto/resource_pb";
import { getMonitor } from "@pulumi/pulumi/runtime/settings";
import { z } from "zod";
import { Site } from "../../../components/site";
import type { SiteGitOps } from "../../../components/site";
import type { SiteModel } from "../../../site/model";

/** The test's response to a registration: an answer at once, or later. */
export type Answer = (type: string, name: string) => void | Promise<void>;

type Options =
  pulumi.ComponentResourceOptions | (() => pulumi.ComponentResourceOptions) | undefined;

const derivation = { drvPath: "/nix/store/x.drv", outPath: "/nix/store/x" };
const machine = {
  runner: derivation,
  toplevel: derivation,
  closureInfo: derivation,
  hardware: "h",
  liveSwitch: false,
  packages: {},
  warnings: [],
  k0s: { version: "1.36.3+k0s.2", unit: "u", configuration: "c" },
};
const system = { toplevel: derivation, packages: {}, bootHash: "b", warnings: [] };

/** The outputs that a provider would add to the inputs. */
const OUTPUTS: Readonly<Record<string, object>> = {
  "microvm:index:Hypervisor": { machineId: "m", verdicts: { kvm: "ok" } },
  "microvm:index:NixosSystem": { rebootRequired: true },
  "microvm:index:MicroVm": { stale: false, guestHostKey: "ssh-ed25519 k" },
  "microvm:index:GitSeed": { seeded: "c".repeat(40) },
  "microvm:index:K0sCluster": { caFingerprint: "AB:CD", kubeconfig: "hunter2" },
};

/** The SDK passes inputs as `any`. */
export function propertiesOf(inputs: unknown): Record<string, unknown> {
  return z.record(z.string(), z.unknown()).parse(inputs);
}

/** Registers the site. Returns the requests, which grow in order. */
export async function registerSite(
  model: SiteModel,
  answer: Answer = () => undefined,
  preview = false,
  options?: Options,
  gitOps?: () => SiteGitOps,
): Promise<{ requests: RegisterResourceRequest[]; site: Site }> {
  await pulumi.runtime.setMocks(
    {
      newResource: async ({ type, name, inputs }) => {
        await answer(type, name);
        const state = { ...propertiesOf(inputs), ...OUTPUTS[type] };
        return { id: name, state };
      },
      call: () => ({}),
    },
    "pulumi-microvm",
    "lab",
    preview,
  );
  const requests: RegisterResourceRequest[] = [];
  const monitor: object = getMonitor() ?? {};
  const real: unknown = Reflect.get(monitor, "registerResource");
  if (typeof real !== "function") throw new Error("the SDK's mocks have changed");
  Object.assign(monitor, {
    registerResource: (request: RegisterResourceRequest, ...rest: unknown[]) => {
      requests.push(request);
      Reflect.apply(real, monitor, [request, ...rest]);
    },
  });
  const built = {
    version: 1 as const,
    machines: Object.fromEntries(model.vms.map(({ name }) => [name, machine])),
    hypervisors: Object.fromEntries(model.hypervisors.map(({ name }) => [name, system])),
    warnings: [],
  };
  const privateKey = pulumi.secret("key");
  // Resources in the options are registered with the mocks too.
  const opts = typeof options === "function" ? options() : options;
  const args = { model, built, privateKey, helm: "helm", gitOps: gitOps?.() };
  return { requests, site: new Site("lab", args, opts) };
}

/** The requests and the outputs after the whole site is registered. */
export async function registerAll(model: SiteModel, options?: Options) {
  const { requests, site } = await registerSite(model, undefined, false, options);
  const outputs = await new Promise((resolve) => {
    pulumi
      .all([site.hypervisors, site.vms])
      .apply(([hypervisors, vms]) => resolve({ hypervisors, vms }));
  });
  await pulumi.runtime.disconnect();
  return { requests, outputs };
}

export async function until(condition: () => boolean): Promise<void> {
  for (const deadline = Date.now() + 5000; Date.now() < deadline && !condition();) {
    await new Promise((wake) => setTimeout(wake, 10));
  }
  expect(condition()).toBe(true);
}
