/** A host that is gone: how a removal names the way out, and that it changes only the state. */
import { Secret } from "../../provider/wire";
import type { ValueMap } from "../../provider/wire";
import { Sandbox } from "../scripts/sandbox";
import { startSandboxHost } from "../scripts/sandboxHost";
import type { SandboxHost } from "../scripts/sandboxHost";
import { closure, hypervisor, vm as vmInputs, volume } from "./inputs";
import { ProviderProcess, failure } from "./providerProcess";
import { keyPair } from "./scriptedHost";

const CHECKS = ["kvm", "libvirtd", "bridge", "units", "nix", "clock", "memory", "disk"];
const checks = Object.fromEntries(CHECKS.map((check) => [check, "off"]));
const vm = { ...vmInputs, address: "" };
const TYPES: [string, ValueMap][] = [
  ["MicroVm", vm],
  ["Volume", volume],
  ["NixClosure", closure],
  ["Hypervisor", { ...hypervisor, checks }],
];
const operator = keyPair();
let box: Sandbox;
let host: SandboxHost;
const providers: ProviderProcess[] = [];

beforeEach(async () => {
  box = new Sandbox();
  host = await startSandboxHost(box, operator.publicKey);
  box.addToStore(vmInputs.runner);
});
afterEach(async () => {
  for (const provider of providers.splice(0)) await provider.stop();
  await host.ssh.stop();
  box.remove();
});

async function providerOf(more: object): Promise<ProviderProcess> {
  const provider = await ProviderProcess.start();
  providers.push(provider);
  const { port, hostKey } = host.ssh;
  const hv1 = { address: "127.0.0.1", port, user: "root", hostKey, ...more };
  const privateKey = new Secret(operator.privateKey);
  await provider.configure({ hosts: JSON.stringify({ hv1 }), agent: "false", privateKey });
  return provider;
}

async function make(provider: ProviderProcess, type: string, inputs: ValueMap) {
  const checked = (await provider.check(type, inputs)).inputs;
  return { inputs: checked, ...(await provider.create(type, checked)) };
}

describe("a removal says how to forget the host", () => {
  test("that does not answer: once, and the others refer to it", async () => {
    const provider = await providerOf({});
    await host.ssh.stop();
    const { message } = await failure(provider.remove("MicroVm", "hv1/kc1", vm));
    expect(message).toMatch(
      /can't be reached.*If hv1 is gone for good, set forget: true for it in the site/s,
    );
    const second = await failure(provider.remove("Volume", "hv1/kc1.var", volume));
    expect(second.message).toMatch(/^hv1 can't be reached: see the error of MicroVm x$/);
  });

  test("that has another host key", async () => {
    const provider = await providerOf({ hostKey: keyPair().publicKey });
    const { message } = await failure(provider.remove("MicroVm", "hv1/kc1", vm));
    expect(message).toContain("set forget: true for it in the site");
  });

  test("that is another machine", async () => {
    const provider = await providerOf({});
    const other = { ...vm, machineId: "f".repeat(32) };
    const { message } = await failure(provider.remove("MicroVm", "hv1/kc1", other));
    expect(message).toContain("set forget: true for the host, run up, remove forget");
  });

  test("that is in maintenance", async () => {
    const provider = await providerOf({ maintenance: true });
    const { message } = await failure(provider.remove("MicroVm", "hv1/kc1", vm));
    expect(message).toMatch(/in maintenance.*set forget: true for it in the site/s);
  });

  test("and no other error does", async () => {
    const provider = await providerOf({});
    const { message } = await failure(provider.create("MicroVm", { ...vm, machineId: "0" }));
    expect(message).not.toContain("forget");
  });
});

describe("a forgotten host", () => {
  test.each(TYPES)("is not contacted for the removal of a %s", async (type, inputs) => {
    const provider = await providerOf({ forget: true });
    await provider.remove(type, "hv1/kc1", inputs);
    expect(await provider.logged("left the state")).toBe(
      `hv1: ${type} x left the state; the host was not contacted (forget: true)`,
    );
    expect(host.ssh.counts.connections).toBe(0);
  });

  test("gives up also what an older version recorded", async () => {
    const provider = await providerOf({ forget: true });
    await provider.remove("MicroVm", "hv1/kc1", { host: "hv1", shape: "of another version" });
  });

  test("keeps its recorded state in a read, and gets nothing new", async () => {
    const provider = await providerOf({ forget: true, maintenance: true });
    const state = { ...vm, status: "ready" };
    expect((await provider.read("MicroVm", "hv1/kc1", vm, state)).properties).toEqual(state);
    const { message } = await failure(provider.create("MicroVm", vm));
    expect(message).toContain("hv1 is forgotten: nothing is created there");
    expect(message).toContain("remove forget: true");
    expect(host.ssh.counts.connections).toBe(0);
  });

  test("that comes back is taken in again as it is", async () => {
    const first = await providerOf({});
    const made: [string, ValueMap][] = [];
    for (const [type, inputs] of TYPES.filter(([name]) => name !== "NixClosure").reverse()) {
      made.push([type, (await make(first, type, inputs)).inputs]);
    }
    const before = { contents: box.contents(), journal: box.journal() };
    const gone = await providerOf({ forget: true });
    for (const [type, inputs] of [...made].reverse()) await gone.remove(type, "x", inputs);
    expect(box.contents()).toEqual(before.contents);

    const back = await providerOf({});
    for (const [type, inputs] of made) {
      expect((await back.create(type, inputs, true)).properties).toMatchObject({});
      const { properties } = await back.create(type, inputs);
      expect(properties).toMatchObject({ ownership: "owned" });
      expect(await back.diff(type, properties, inputs, inputs)).toMatchObject({ some: false });
    }
    expect(box.contents()).toEqual(before.contents);
    expect(box.journal()).toEqual(before.journal);
  });

  test("that comes back names the VMs that the site does not have there any more", async () => {
    const first = await providerOf({});
    await make(first, "MicroVm", vm);
    const back = await providerOf({});
    await back.create(
      "Hypervisor",
      (await back.check("Hypervisor", { ...hypervisor, checks })).inputs,
      true,
    );
    expect(await back.logged("does not have there")).toContain("kc1");
  });
});
