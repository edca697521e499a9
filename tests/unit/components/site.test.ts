/** A site registers its VMs after the engine has reported the result of all closures. */
import { resolve } from "node:path";
import * as pulumi from "@pulumi/pulumi";
import type { RegisterResourceRequest } from "@pulumi/pulumi/proto/resource_pb";
import { allRegistered } from "../../../components/registration";
import { loadSite } from "../../../site/load";
import { registerAll, registerSite, until } from "./registrations";
import type { Answer } from "./registrations";

const model = loadSite(resolve(__dirname, "../../../stacks/lab.yaml"));
const NAMES = model.vms.map(({ name }) => name);
const VM = "microvm:index:MicroVm";
const CLOSURE = "microvm:index:NixClosure";

const register = (answer?: Answer, preview?: boolean) => registerSite(model, answer, preview);

const namesOf = (requests: RegisterResourceRequest[], type: string): string[] =>
  requests.filter((one) => one.getType() === type).map((one) => one.getName());

/** Long enough for pending promises to settle. */
const settle = (): Promise<void> => new Promise((wake) => setTimeout(wake, 200));

test.each([false, true].flatMap((preview) => NAMES.map((name) => [name, preview] as const)))(
  "no VM is registered while the closure of %s is pending (preview: %s)",
  async (open, preview) => {
    let release: () => void = () => undefined;
    const held = new Promise<void>((go) => (release = go));
    const hold: Answer = (type, name) => (type === CLOSURE && name === open ? held : undefined);
    const { requests } = await register(hold, preview);
    await until(() => namesOf(requests, CLOSURE).length === NAMES.length);
    await settle();
    expect(namesOf(requests, VM)).toEqual([]);
    release();
    await until(() => namesOf(requests, VM).length === NAMES.length);
  },
);

test.each(model.hypervisors.map(({ name }) => name))(
  "no VM is registered before the closures of a slow %s are",
  async (slow) => {
    let release: () => void = () => undefined;
    const held = new Promise<void>((go) => (release = go));
    const isSlow = (type: string, name: string) =>
      type === "microvm:index:Hypervisor" && name === slow;
    const { requests } = await register((type, name) => (isSlow(type, name) ? held : undefined));
    const elsewhere = model.vms.filter(({ hypervisor }) => hypervisor !== slow);
    await until(() => namesOf(requests, CLOSURE).length === elsewhere.length);
    await settle();
    expect(namesOf(requests, VM)).toEqual([]);
    release();
    await until(() => namesOf(requests, VM).length === NAMES.length);
    const order = requests.map((one) => one.getType());
    expect(order.indexOf(VM)).toBeGreaterThan(order.lastIndexOf(CLOSURE));
  },
);

test("a VM depends only on its host, its own volumes and its own closure", async () => {
  const { requests } = await register();
  await until(() => namesOf(requests, VM).length === NAMES.length);
  for (const request of requests.filter((one) => one.getType() === VM)) {
    const vm = model.vms.find(({ name }) => name === request.getName());
    const dependencies = request
      .getDependenciesList()
      .map((urn) => urn.replace(/.*[:$]microvm:/, ""));
    const volumes = (vm?.volumes ?? []).map(({ name }) => `index:Volume::${vm?.name}-${name}`);
    const host = `index:Hypervisor::${vm?.hypervisor}`;
    const own = [host, `index:NixClosure::${vm?.name}`, ...volumes];
    expect(dependencies.sort()).toEqual(own.sort());
  }
});

test("a forgotten hypervisor is not registered, and a warning says what is left", async () => {
  const forgotten = model.hypervisors.map((one) =>
    one.name === "hv2" ? { ...one, forget: true } : one,
  );
  const warned = jest.spyOn(pulumi.log, "warn").mockResolvedValue(undefined);
  const { requests, outputs } = await registerAll({ ...model, hypervisors: forgotten });
  const names = requests.map((one) => one.getName());
  const gone = model.vms.filter(({ hypervisor }) => hypervisor === "hv2");
  expect(gone).not.toEqual([]);
  expect(names.filter((name) => name === "hv2")).toEqual([]);
  for (const { name } of gone) expect(names.filter((one) => one.startsWith(name))).toEqual([]);
  expect(names).toEqual(expect.arrayContaining(["hv1", "kc1", "kw1"]));
  expect(JSON.stringify(outputs)).not.toContain("hv2");
  const provider = requests.find((one) => one.getType() === "pulumi:providers:microvm");
  expect(JSON.stringify(provider?.getObject()?.toJavaScript())).toContain('\\"forget\\":true');
  expect(warned.mock.calls.map(([text]) => text)).toEqual([
    expect.stringMatching(/^hv2: forget is true.*kw2 \(198\.18\.0\.32\).*kw2\/var\.img/),
  ]);
  warned.mockRestore();
});

class Thing extends pulumi.CustomResource {
  constructor(name: string) {
    super("test:index:Thing", name);
    // Without a program around it, its rejection would be unhandled.
    pulumi.recover(this.id, () => "");
  }
}

test.each([false, true])("a failed closure counts as reported (preview: %s)", async (preview) => {
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
