/** A host that several stacks share: their claims, and what preview and `up` refuse. */
import { existsSync, mkdirSync, readFileSync, readdirSync, rmSync } from "node:fs";
import { totalmem } from "node:os";
import { messageOf } from "../../provider/errors";
import { makeRecord } from "../../provider/ownership";
import type { Value, ValueMap } from "../../provider/wire";
import type { Sandbox } from "../scripts/sandbox";
import { hypervisor } from "./inputs";
import { failure } from "./providerProcess";
import type { ProviderProcess } from "./providerProcess";
import { CHECKS, StacksOnHost, urnOf } from "./stacksOnHost";

let stacks: StacksOnHost;
let box: Sandbox;
let lab: ProviderProcess;
let prod: ProviderProcess;

beforeEach(async () => {
  stacks = await StacksOnHost.start();
  ({ box } = stacks);
  lab = await stacks.provider("lab");
  prod = await stacks.provider("prod");
});
afterEach(() => stacks.stop());

const vm = (name: string, more: ValueMap = {}): Value => ({ name, memoryMiB: 64, ...more });

interface Given {
  wants?: Value[];
  shared?: boolean;
  /** The required checks. The others are off. */
  required?: string[];
}

async function inputsOf(provider: ProviderProcess, given: Given = {}): Promise<ValueMap> {
  const { wants = [], shared = true, required = [] } = given;
  const mode = (check: string): string => (required.includes(check) ? "require" : "off");
  const checks = Object.fromEntries(CHECKS.map((check) => [check, mode(check)]));
  const { inputs, failures } = await provider.check("Hypervisor", {
    ...hypervisor,
    checks,
    shared,
    wants,
  });
  expect(failures).toEqual([]);
  return inputs;
}

/** The first `up`. */
async function create(provider: ProviderProcess, given: Given = {}): Promise<ValueMap> {
  await stacks.newRun(provider);
  return (await provider.create("Hypervisor", await inputsOf(provider, given))).properties;
}

async function update(
  provider: ProviderProcess,
  state: ValueMap,
  given: Given = {},
): Promise<ValueMap> {
  await stacks.newRun(provider);
  return provider.update("Hypervisor", "hv1", state, await inputsOf(provider, given));
}

/** Expects that preview and `up` both refuse and change nothing. */
async function refused(provider: ProviderProcess, given: Given, state?: ValueMap): Promise<string> {
  const before = { claims: claims(), journal: box.journal() };
  const messages: string[] = [];
  const inputs = await inputsOf(provider, given);
  for (const preview of [true, false]) {
    await stacks.newRun(provider);
    const run =
      state === undefined
        ? provider.create("Hypervisor", inputs, preview)
        : provider.update("Hypervisor", "hv1", state, inputs, 0, { preview });
    const failed = await failure(run);
    const message = failed.initFailed?.reasons.join() ?? failed.message;
    // Other programs of this machine use its disk too.
    messages.push(message.replace(/room for \d+ MiB/, "room for N MiB"));
  }
  expect(messages[1]).toBe(messages[0]);
  expect({ claims: claims(), journal: box.journal() }).toEqual(before);
  return messages[0] ?? "";
}

const claims = (): string[] =>
  existsSync(box.path("state/hosts"))
    ? readdirSync(box.path("state/hosts"))
        .sort()
        .map((file) => readFileSync(box.path("state/hosts", file), "utf8"))
    : [];

test("two stacks have a claim each; a removal leaves the other's alone", async () => {
  const first = await create(lab, { wants: [vm("kc1")] });
  expect(first).toMatchObject({ ownership: "owned" });
  await create(prod, { wants: [vm("kc2")] });
  expect(claims()).toHaveLength(2);
  await stacks.newRun(lab);
  const inputs = await inputsOf(lab, { wants: [vm("kc1")] });
  expect((await lab.read("Hypervisor", "hv1", inputs, first)).properties).toEqual(first);
  expect(await lab.diff("Hypervisor", first, inputs, inputs)).toMatchObject({ some: false });
  const journal = box.journal();
  expect(await update(lab, first, { wants: [vm("kc1")] })).toEqual(first);
  expect(box.journal()).toEqual(journal);

  await stacks.newRun(lab);
  await lab.remove("Hypervisor", "hv1", inputs);
  expect(claims()).toEqual([expect.stringContaining("urn:pulumi:prod::")]);
});

test.each<[string, ValueMap, ValueMap, string]>([
  ["name", { name: "kc2" }, {}, "VM kc2: its name is used by VM kc2"],
  ["address", { ip: "198.18.0.21" }, { ip: "198.18.0.21" }, "VM kc1: its address 198.18.0.21"],
  ["MAC", { mac: "02:00:00:00:00:0A" }, { mac: "02:00:00:00:00:0a" }, "VM kc1: its MAC 02:"],
  ["vsock CID", { vsockCid: 7 }, { vsockCid: 7 }, "VM kc1: its vsock CID 7 is used by VM kc2"],
  [
    "image",
    { volumes: [{ image: "/data/a.img", sizeMiB: 1 }] },
    { volumes: [{ image: "/data/a.img", sizeMiB: 2 }] },
    "VM kc1: image /data/a.img is used by VM kc2",
  ],
])("the same %s in two stacks is refused", async (_, own, theirs, words) => {
  await create(prod, { wants: [vm("kc2", theirs)] });
  const message = await refused(lab, { wants: [vm("kc1", own)] });
  expect(message).toContain(words);
  expect(message).toContain("VM kc2 of stack prod of project site");
});

test("memory that other stacks claim is not available to this one", async () => {
  const most = Math.ceil((totalmem() / 1024 ** 2) * 0.7);
  const wants = (name: string): Given => ({
    wants: [vm(name, { memoryMiB: most })],
    required: ["memory"],
  });
  const state = await create(prod, wants("kc2"));
  const message = await refused(lab, wants("kc1"));
  expect(message).toContain(
    `memory: the VMs want ${2 * most} MiB of memory ` +
      `(${most} for this stack; ${most} for stack prod of project site: kc2 ${most}), the host has`,
  );
  await update(prod, state, { wants: [vm("kc2")] });
  expect(await create(lab, wants("kc1"))).toMatchObject({ verdicts: { memory: "ok" } });
});

test("disk space that other stacks claim is not available, image by image", async () => {
  const volumes = (image: string, sizeMiB: number): ValueMap => ({ volumes: [{ image, sizeMiB }] });
  await create(prod, { wants: [vm("kc2", volumes("/var/lib/microvms/kc2/a.img", 1e9))] });
  const wants = [vm("kc1", volumes("/var/lib/microvms/kc1/a.img", 1))];
  const message = await refused(lab, { wants, required: ["disk"] });
  expect(message).toMatch(
    new RegExp(
      "disk: the volumes want 1000000001 MiB on the file system at \\S+ " +
        "\\(1 for this stack; 1000000000 for stack prod of project site: kc2 1000000000\\)",
    ),
  );
});

describe("two stacks that decided on the same facts", () => {
  test("both get the host if it has room for both", async () => {
    const all = [lab, prod].map(async (one, index) => {
      const inputs = await inputsOf(one, { wants: [vm(`kc${index}`)] });
      await one.create("Hypervisor", inputs, true);
      return () => one.create("Hypervisor", inputs);
    });
    const runs = await Promise.all(all);
    const made = await Promise.all(runs.map((run) => run()));
    for (const { properties } of made) expect(properties).toMatchObject({ ownership: "owned" });
    expect(claims()).toHaveLength(2);
  });

  test("if both want the same address, the second is refused under the lock", async () => {
    const wants = (index: number): Value[] => [vm(`kc${index}`, { ip: "198.18.0.21" })];
    const runs = await Promise.all(
      [lab, prod].map(async (one, index) => {
        const inputs = await inputsOf(one, { wants: wants(index) });
        await one.create("Hypervisor", inputs, true);
        return () => one.create("Hypervisor", inputs);
      }),
    );
    const results = await Promise.allSettled(runs.map((run) => run()));
    expect(results.map(({ status }) => status).sort()).toEqual(["fulfilled", "rejected"]);
    const failed = results.flatMap((result) =>
      result.status === "rejected" ? [messageOf(result.reason)] : [],
    );
    expect(failed.join()).toContain("its address 198.18.0.21 is used by VM kc");
    expect(claims()).toHaveLength(1);
  });
});

describe("a host of one stack", () => {
  test("is shared as soon as that stack sets shared: true", async () => {
    const exclusive = await create(lab, { shared: false });
    const message = await refused(prod, {});
    expect(message).toContain("this host belongs to urn:pulumi:lab::");
    expect(message).toContain("Set shared: true for the hypervisor in the site of that stack");
    await update(lab, exclusive);
    expect(claims()).toEqual([expect.stringContaining('"shared":true')]);
    expect(await create(prod)).toMatchObject({ ownership: "owned" });
  });

  test("can become exclusive again when no other stack is left", async () => {
    const shared = await create(lab);
    await create(prod);
    expect(await refused(lab, { shared: false }, shared)).toContain(
      "this host is shared by stack prod of project site",
    );
    expect(await refused(await stacks.provider("test"), { shared: false })).toContain(
      "this host is shared by stack lab of project site, stack prod of project site",
    );
    await stacks.newRun(prod);
    await prod.remove("Hypervisor", "hv1", await inputsOf(prod));
    await update(lab, shared, { shared: false });
    expect(claims()).toEqual([expect.not.stringContaining("shared")]);
  });
});

test("a VM that left the site counts until it is removed from the host", async () => {
  const wants = [vm("kc1", { ip: "198.18.0.21" })];
  const state = await create(lab, { wants });
  mkdirSync(box.path("state/vms"), { recursive: true });
  box.write("state/vms/kc1.json", `${makeRecord(urnOf("lab", "MicroVm"), {})}\n`);
  await update(lab, state, { wants: [] });
  const others = [vm("kc2", { ip: "198.18.0.21" })];
  expect(await refused(prod, { wants: others })).toContain(
    "VM kc2: its address 198.18.0.21 is used by VM kc1 of stack lab",
  );
  rmSync(box.path("state/vms/kc1.json"));
  expect(await create(prod, { wants: others })).toMatchObject({ ownership: "owned" });
});

test("a claim that cannot be read is refused and never counts as absent", async () => {
  mkdirSync(box.path("state/hosts"), { recursive: true });
  box.write("state/hosts/shared-0.json", '{"version":2}\n');
  expect(await refused(lab, {})).toContain(
    "the claim of another stack cannot be read: /var/lib/pulumi-microvm/hosts/shared-0.json",
  );
});

test("wants that are missing from the record are drift", async () => {
  const wants = [vm("kc1")];
  const state = await create(lab, { wants });
  const claimed = readdirSync(box.path("state/hosts"))[0] ?? "";
  const nothing = makeRecord(urnOf("lab", "Hypervisor"), { shared: true, wants: [], leaving: [] });
  box.write(`state/hosts/${claimed}`, `${nothing}\n`);
  await stacks.newRun(lab);
  const inputs = await inputsOf(lab, { wants });
  const read = await lab.read("Hypervisor", "hv1", inputs, state);
  expect(await lab.diff("Hypervisor", read.properties, inputs, inputs)).toMatchObject({
    changes: { ownership: { inputDiff: false } },
  });
});
