/** A host belongs to one stack. Its owner is recorded on the host and named in previews. */
import { existsSync, rmSync } from "node:fs";
import type { ValueMap } from "../../provider/wire";
import type { Sandbox } from "../scripts/sandbox";
import { documented } from "../troubleshooting";
import { hypervisor } from "./inputs";
import { failure } from "./providerProcess";
import type { ProviderProcess } from "./providerProcess";
import { CHECKS, StacksOnHost } from "./stacksOnHost";

const checks = Object.fromEntries(CHECKS.map((check) => [check, "off"]));
const NAMES = ["hv1", "hv2"];
let stacks: StacksOnHost;
let box: Sandbox;
let lab: ProviderProcess;
let prod: ProviderProcess;

beforeEach(async () => {
  stacks = await StacksOnHost.start();
  ({ box } = stacks);
  lab = await stacks.provider("lab", NAMES);
  prod = await stacks.provider("prod", NAMES);
});
afterEach(() => stacks.stop());

const inputsOf = async (provider: ProviderProcess, more: ValueMap = {}): Promise<ValueMap> =>
  (await provider.check("Hypervisor", { ...hypervisor, checks, ...more })).inputs;

const claims = (): string[] => box.journal().filter((line) => line !== "");
const CLAIMED = [expect.stringMatching(/: claiming this host$/)];

test("the first stack claims the host; preview and up of a second stack name it", async () => {
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
    expect(message).toMatch(documented("two stacks on one host"));
    expect(message).toMatch(/run up there first\. Or set shared: true for it in both\./);
  }
  await prod.remove("Hypervisor", "hv1", inputs);
  expect(existsSync(box.path("state/hosts/host.json"))).toBe(true);

  await lab.remove("Hypervisor", "hv1", inputs);
  expect(existsSync(box.path("state/hosts/host.json"))).toBe(false);
  await stacks.newRun(prod);
  expect((await prod.create("Hypervisor", inputs)).properties).toMatchObject({
    ownership: "owned",
  });
});

test("if two stacks see the host free at the same time, one of them gets it", async () => {
  const inputs = await inputsOf(lab);
  await Promise.all([lab, prod].map((one) => one.create("Hypervisor", inputs, true)));
  const results = await Promise.allSettled(
    [lab, prod].map((one) => one.create("Hypervisor", inputs)),
  );
  expect(results.map(({ status }) => status).sort()).toEqual(["fulfilled", "rejected"]);
  expect(claims()).toEqual(CLAIMED);
});

test("a state from before claims existed shows no drift until its next change", async () => {
  const inputs = await inputsOf(lab);
  const { properties } = await lab.create("Hypervisor", inputs);
  const old = Object.fromEntries(Object.entries(properties).filter(([key]) => key !== "ownership"));
  await lab.remove("Hypervisor", "hv1", inputs);
  const fresh = await stacks.provider("lab", NAMES);
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
  const later = await stacks.provider("lab", NAMES);
  const lost = await later.read("Hypervisor", "hv1", inputs, updated);
  expect(await fresh.diff("Hypervisor", lost.properties, inputs, inputs)).toMatchObject({
    changes: { ownership: { inputDiff: false } },
  });
});

test.each([false, true])(
  "a host with a new name is told to state the old one (shared: %s)",
  async (shared) => {
    await lab.create("Hypervisor", await inputsOf(lab, { shared }));
    lab.urn = (type) => `urn:pulumi:lab::site::microvm:index:${type}::hv2`;
    const fresh = await stacks.provider("lab", NAMES);
    fresh.urn = lab.urn;
    const renamed = await inputsOf(fresh, { host: "hv2", shared });
    const { message } = await failure(fresh.create("Hypervisor", renamed, true));
    expect(message).toContain(
      "This stack knows the host as hv1. If hv2 is the new name of hv1, state it: " +
        "renamedFrom: hv1.",
    );
    expect(message).not.toContain("one of the two sites");
  },
);

test("one machine under two names is detected in the first preview", async () => {
  await lab.create("Hypervisor", await inputsOf(lab), true);
  const twin = await inputsOf(lab, { host: "hv2" });
  const { message } = await failure(lab.create("Hypervisor", twin, true));
  expect(message).toContain("hv2 is the same machine as hv1: both have the machine-id");
  expect(message).toContain("If hv2 is the new name of hv1, state it: renamedFrom: hv1.");
  expect(claims()).toEqual([]);
});
