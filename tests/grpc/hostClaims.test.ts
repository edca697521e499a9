/** A host has one stack: whose it is, is recorded there once, told in previews, and taken back. */
import { existsSync, rmSync } from "node:fs";
import { Secret } from "../../provider/wire";
import type { ValueMap } from "../../provider/wire";
import { Sandbox } from "../scripts/sandbox";
import { startSandboxHost } from "../scripts/sandboxHost";
import type { SandboxHost } from "../scripts/sandboxHost";
import { hypervisor } from "./inputs";
import { ProviderProcess, failure } from "./providerProcess";
import { keyPair } from "./scriptedHost";

const CHECKS = ["kvm", "libvirtd", "bridge", "units", "nix", "clock", "memory", "disk"];
const checks = Object.fromEntries(CHECKS.map((check) => [check, "off"]));
const operator = keyPair();
let box: Sandbox;
let host: SandboxHost;
let lab: ProviderProcess;
let prod: ProviderProcess;

async function stack(name: string): Promise<ProviderProcess> {
  const provider = await ProviderProcess.start();
  provider.urn = (type) => `urn:pulumi:${name}::site::microvm:index:${type}::hv1`;
  const hv1 = {
    address: "127.0.0.1",
    port: host.ssh.port,
    user: "root",
    hostKey: host.ssh.hostKey,
  };
  await provider.configure({
    hosts: JSON.stringify({ hv1, hv2: hv1 }),
    agent: "false",
    privateKey: new Secret(operator.privateKey),
  });
  return provider;
}

beforeEach(async () => {
  box = new Sandbox();
  host = await startSandboxHost(box, operator.publicKey);
  lab = await stack("lab");
  prod = await stack("prod");
});
afterEach(async () => {
  await lab.stop();
  await prod.stop();
  await host.ssh.stop();
  box.remove();
});

const inputsOf = async (provider: ProviderProcess, more: ValueMap = {}): Promise<ValueMap> =>
  (await provider.check("Hypervisor", { ...hypervisor, checks, ...more })).inputs;

const claims = (): string[] => box.journal().filter((line) => line !== "");
const CLAIMED = [expect.stringMatching(/: claiming this host$/)];

test("the first stack claims it once; the second is told whose it is, in preview and up", async () => {
  const inputs = await inputsOf(lab);
  expect((await lab.create("Hypervisor", inputs, true)).properties).toMatchObject({
    ownership: "owned",
  });
  expect(claims()).toEqual([]);
  const { properties } = await lab.create("Hypervisor", inputs);
  expect(properties).toMatchObject({ ownership: "owned" });
  expect(await lab.diff("Hypervisor", properties, inputs, inputs)).toMatchObject({ some: false });
  expect(await lab.update("Hypervisor", "hv1", properties, inputs)).toEqual(properties);
  expect(claims()).toEqual(CLAIMED);

  for (const preview of [true, false]) {
    const { message } = await failure(prod.create("Hypervisor", inputs, preview));
    expect(message).toContain("this host belongs to urn:pulumi:lab::");
  }
  await prod.remove("Hypervisor", "hv1", inputs);
  expect(existsSync(box.path("state/hosts/host.json"))).toBe(true);

  await lab.remove("Hypervisor", "hv1", inputs);
  expect(existsSync(box.path("state/hosts/host.json"))).toBe(false);
  await prod.configure({
    hosts: hostsOf("hv1"),
    agent: "false",
    privateKey: new Secret(operator.privateKey),
  });
  expect((await prod.create("Hypervisor", inputs)).properties).toMatchObject({
    ownership: "owned",
  });
});

test("two that saw it free at the same moment: one gets it", async () => {
  const inputs = await inputsOf(lab);
  await Promise.all([lab, prod].map((one) => one.create("Hypervisor", inputs, true)));
  const results = await Promise.allSettled(
    [lab, prod].map((one) => one.create("Hypervisor", inputs)),
  );
  expect(results.map(({ status }) => status).sort()).toEqual(["fulfilled", "rejected"]);
  expect(claims()).toEqual(CLAIMED);
});

test("a state from before there were claims is no drift until its next change", async () => {
  const inputs = await inputsOf(lab);
  const { properties } = await lab.create("Hypervisor", inputs);
  const old = Object.fromEntries(Object.entries(properties).filter(([key]) => key !== "ownership"));
  await lab.remove("Hypervisor", "hv1", inputs);
  const fresh = await stack("lab");
  try {
    const read = await fresh.read("Hypervisor", "hv1", inputs, old);
    expect(read.properties).toEqual({ ...old, ownership: "unclaimed" });
    expect(await fresh.diff("Hypervisor", read.properties, inputs, inputs)).toMatchObject({
      some: false,
    });
    const updated = await fresh.update("Hypervisor", "hv1", read.properties, {
      ...inputs,
      wants: [{ name: "kc1", memoryMiB: 1 }],
    });
    expect(updated).toMatchObject({ ownership: "owned" });
    rmSync(box.path("state/hosts/host.json"));
    const gone = await stack("lab");
    const lost = await gone.read("Hypervisor", "hv1", inputs, updated);
    await gone.stop();
    expect(await fresh.diff("Hypervisor", lost.properties, inputs, inputs)).toMatchObject({
      changes: { ownership: { inputDiff: false } },
    });
  } finally {
    await fresh.stop();
  }
});

test.each([false, true])(
  "a host with a new name is told to state the old one (shared: %s)",
  async (shared) => {
    await lab.create("Hypervisor", await inputsOf(lab, { shared }));
    lab.urn = (type) => `urn:pulumi:lab::site::microvm:index:${type}::hv2`;
    const fresh = await stack("lab");
    fresh.urn = lab.urn;
    try {
      const renamed = await inputsOf(fresh, { host: "hv2", shared });
      const { message } = await failure(fresh.create("Hypervisor", renamed, true));
      expect(message).toContain(
        "This stack knows the host as hv1. If hv2 is the new name of hv1, state it: renamedFrom: hv1.",
      );
      expect(message).not.toContain("one of the two sites");
    } finally {
      await fresh.stop();
    }
  },
);

test("one machine under two names is told by its machine-id, in the first preview already", async () => {
  await lab.create("Hypervisor", await inputsOf(lab), true);
  const twin = await inputsOf(lab, { host: "hv2" });
  const { message } = await failure(lab.create("Hypervisor", twin, true));
  expect(message).toContain("hv2 is the same machine as hv1: both have the machine-id");
  expect(message).toContain("If hv2 is the new name of hv1, state it: renamedFrom: hv1.");
  expect(claims()).toEqual([]);
});

function hostsOf(name: string): string {
  const { port, hostKey } = host.ssh;
  return JSON.stringify({ [name]: { address: "127.0.0.1", port, user: "root", hostKey } });
}
