/** A VM is to get an address that another VM still has: seen before anything is made. */
import { readFileSync, writeFileSync } from "node:fs";
import { Secret } from "../../provider/wire";
import type { ValueMap } from "../../provider/wire";
import { MACHINE, Sandbox } from "../scripts/sandbox";
import { startSandboxHost } from "../scripts/sandboxHost";
import type { SandboxHost } from "../scripts/sandboxHost";
import { hypervisor, vm as vmInputs } from "./inputs";
import { ProviderProcess, failure } from "./providerProcess";
import { keyPair } from "./scriptedHost";

const CHECKS = ["kvm", "libvirtd", "bridge", "units", "nix", "clock", "memory", "disk"];
const checks = Object.fromEntries(CHECKS.map((check) => [check, "off"]));
const OTHER_MACHINE = MACHINE.replaceAll("0", "f");
const IP = "198.18.0.21";
const MAC = "02:00:00:00:00:21";
const operator = keyPair();
let boxes: Sandbox[];
let hosts: SandboxHost[];
let provider: ProviderProcess;

beforeEach(async () => {
  boxes = [new Sandbox(), new Sandbox()];
  hosts = await Promise.all(boxes.map((box) => startSandboxHost(box, operator.publicKey)));
  boxes[1]?.write("machine-id", `${OTHER_MACHINE}\n`);
  for (const box of boxes) box.addToStore(vmInputs.runner);
  await connect();
  await makeVm();
});
afterEach(async () => {
  await provider.stop();
  for (const host of hosts) await host.ssh.stop();
  for (const box of boxes) box.remove();
});

/** A provider that has not read the hosts yet. */
async function connect(): Promise<void> {
  provider = await ProviderProcess.start();
  const configs = hosts.map(({ ssh: { port, hostKey } }, index) => [
    `hv${index + 1}`,
    { address: "127.0.0.1", port, user: "root", hostKey },
  ]);
  await provider.configure({
    hosts: JSON.stringify(Object.fromEntries(configs)),
    agent: "false",
    privateKey: new Secret(operator.privateKey),
  });
}

/** kc1 on hv1. */
async function makeVm(more: ValueMap = {}): Promise<void> {
  const stated = { ...vmInputs, address: "", mac: MAC, vsockCid: 5, ...more };
  const { inputs } = await provider.check("MicroVm", stated);
  await provider.create("MicroVm", inputs);
  // The guest of a sandbox does not answer, so it is made without its address.
  await editRecord((text) => text.replace('"mac"', `"address":"${IP}","mac"`));
}

const recordPath = (): string => boxes[0]?.path("state/vms/kc1.json") ?? "";

async function editRecord(edit: (text: string) => string): Promise<void> {
  writeFileSync(recordPath(), edit(readFileSync(recordPath(), "utf8")));
  await provider.stop();
  await connect();
}

const want = (name: string, more: object = {}): ValueMap => ({
  name,
  memoryMiB: 1,
  ip: "",
  mac: "",
  ...more,
});

/** The preview of an update of a hypervisor's VMs. */
async function previewed(
  wants: ValueMap[],
  more: ValueMap = {},
  before: ValueMap[] = [want("kc1")],
): Promise<ValueMap> {
  const inputsOf = async (vms: ValueMap[]): Promise<ValueMap> =>
    (await provider.check("Hypervisor", { ...hypervisor, checks, wants: vms, ...more })).inputs;
  const oldInputs = await inputsOf(before);
  const news = await inputsOf(wants);
  const machineId = more["host"] === "hv2" ? OTHER_MACHINE : MACHINE;
  const state = { ...oldInputs, machineId, hostname: "x", verdicts: {}, ownership: "owned" };
  return provider.update("Hypervisor", "hv1", state, news, 0, { preview: true, oldInputs });
}

test.each<[string, object, string]>([
  ["address", { ip: IP }, `with the address ${IP}.`],
  ["MAC", { mac: MAC.toUpperCase() }, "with the MAC 02:00"],
  ["vsock CID", { vsockCid: 5 }, "with the vsock CID 5."],
])("the %s of a VM that leaves the site: both ways are told", async (_, more, words) => {
  const { message } = await failure(previewed([want("kc9", more)]));
  expect(message).toContain(`kc9: VM kc1 runs on hv1 ${words}`);
  expect(message).toContain("If kc9 is the new name of kc1, state it: renamedFrom: kc1.");
  expect(message).toContain("Otherwise run up without this change of kc9 first");
});

test("as a rename it is accepted", async () => {
  const site = [want("kc9", { ip: IP, mac: MAC })];
  expect(await previewed(site, { renamedVms: { kc9: "kc1" } })).toMatchObject({ wants: site });
});

test("the address of a VM of another hypervisor is in use too; its vsock CID is not", async () => {
  const site = [want("kc9", { ip: IP, vsockCid: 5 })];
  const { message } = await failure(previewed(site, { host: "hv2" }));
  expect(message).toContain(`kc9: VM kc1 runs on hv1 with the address ${IP}. Run up without`);
  expect(message).not.toMatch(/renamedFrom|vsock/);
});

test("the error of a move between hypervisors has the remedy", async () => {
  const { message } = await failure(
    previewed([want("kc1", { ip: IP })], { host: "hv2" }, [want("kc2")]),
  );
  expect(message).toContain("Remove the VM from the site, run up, and add it there");
});

test("a hypervisor that does not answer hides none of the others, and blocks nothing", async () => {
  await hosts[1]?.ssh.stop();
  expect(await previewed([want("kc9", { ip: "198.18.0.99" })])).toBeDefined();
  const { message } = await failure(previewed([want("kc9", { ip: IP })]));
  expect(message).toContain("VM kc1 runs on hv1");
});

test("a record of an older version lacks addresses: those of the last update count", async () => {
  await editRecord((text) => text.replace(/,"address".*(?=,"digest")/, ""));
  expect(readFileSync(recordPath(), "utf8")).not.toContain(IP);
  const before = [want("kc1", { ip: IP })];
  const { message } = await failure(previewed([want("kc9", { ip: IP })], {}, before));
  expect(message).toContain("VM kc1 runs on hv1");
});

describe("is free", () => {
  const site = [want("kc9", { ip: IP, mac: MAC, vsockCid: 5 })];

  test("if the VM stays and changes its own in the same run", async () => {
    const swapped = [...site, want("kc1", { ip: "198.18.0.22" })];
    expect(await previewed(swapped)).toBeDefined();
  });

  test("if the VM is stopped", async () => {
    const stopped = { running: false };
    const { inputs } = await provider.check("MicroVm", { ...vmInputs, mac: MAC, ...stopped });
    await provider.update("MicroVm", "hv1/kc1", { ...inputs }, inputs);
    expect(await previewed(site)).toBeDefined();
  });

  test("if the VM is one of another stack, whose claim says so", async () => {
    await editRecord((text) => text.replace("pulumi:test::", "pulumi:prod::"));
    expect(await previewed(site)).toBeDefined();
  });
});
