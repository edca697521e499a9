/** When a site registers its VMs: after the engine has answered for the closures of all of them. */
import { resolve } from "node:path";
import * as pulumi from "@pulumi/pulumi";
import type { RegisterResourceRequest } from "@pulumi/pulumi/proto/resource_pb";
import { getMonitor } from "@pulumi/pulumi/runtime/settings";
import { allRegistered } from "../../../components/registration";
import { Site } from "../../../components/site";
import { loadSite } from "../../../site/load";

const model = loadSite(resolve(__dirname, "../../../stacks/lab.yaml"));
const NAMES = model.vms.map(({ name }) => name);
const VM = "microvm:index:MicroVm";
const CLOSURE = "microvm:index:NixClosure";

/** What a test does with a registration: answer at once, or wait. */
type Answer = (type: string, name: string) => void | Promise<void>;

const derivation = { drvPath: "/nix/store/x.drv", outPath: "/nix/store/x" };
const machine = {
  runner: derivation,
  toplevel: derivation,
  closureInfo: derivation,
  hardware: "",
  liveSwitch: false,
  packages: {},
};
const built = {
  version: 1 as const,
  machines: Object.fromEntries(NAMES.map((name) => [name, machine])),
  hypervisors: {},
};

/** Registers the site; the requests in their order, as they come. */
async function register(answer: Answer, preview = false): Promise<RegisterResourceRequest[]> {
  await pulumi.runtime.setMocks(
    {
      newResource: async ({ type, name, inputs }) => {
        await answer(type, name);
        return { id: name, state: pulumi.output(inputs) };
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
  new Site("lab", { model, built });
  return requests;
}

const namesOf = (requests: RegisterResourceRequest[], type: string): string[] =>
  requests.filter((one) => one.getType() === type).map((one) => one.getName());

async function until(condition: () => boolean): Promise<void> {
  for (const deadline = Date.now() + 5000; Date.now() < deadline && !condition();) {
    await new Promise((wake) => setTimeout(wake, 10));
  }
  expect(condition()).toBe(true);
}

/** Long enough for what could happen to happen. */
const settle = (): Promise<void> => new Promise((wake) => setTimeout(wake, 200));

test.each([false, true])(
  "no VM is registered while a closure is open (preview: %s)",
  async (preview) => {
    let release: () => void = () => undefined;
    const held = new Promise<void>((open) => (release = open));
    const hold: Answer = (type, name) => (type === CLOSURE && name === "kw2" ? held : undefined);
    const requests = await register(hold, preview);
    await until(() => namesOf(requests, CLOSURE).length === NAMES.length);
    await settle();
    expect(namesOf(requests, VM)).toEqual([]);
    release();
    await until(() => namesOf(requests, VM).length === NAMES.length);
  },
);

test("a VM depends on its own volumes and its own closure, and on no other's", async () => {
  const requests = await register(() => undefined);
  await until(() => namesOf(requests, VM).length === NAMES.length);
  for (const request of requests.filter((one) => one.getType() === VM)) {
    const vm = model.vms.find(({ name }) => name === request.getName());
    const dependencies = request
      .getDependenciesList()
      .map((urn) => urn.replace(/.*[:$]microvm:/, ""));
    const volumes = (vm?.volumes ?? []).map(({ name }) => `index:Volume::${vm?.name}-${name}`);
    expect(dependencies.sort()).toEqual([`index:NixClosure::${vm?.name}`, ...volumes].sort());
  }
});

class Thing extends pulumi.CustomResource {
  constructor(name: string) {
    super("test:index:Thing", name);
    // A test has no program around it that would take its failure.
    pulumi.recover(this.id, () => "");
  }
}

test.each([false, true])("what fails has answered too (preview: %s)", async (preview) => {
  const failing: pulumi.runtime.Mocks = {
    newResource: ({ name }) => {
      if (name === "bad") throw new Error("it does not build");
      return { id: name, state: {} };
    },
    call: () => ({}),
  };
  await pulumi.runtime.setMocks(failing, "project", "stack", preview);
  await allRegistered([new Thing("good"), new Thing("bad")]);
});
