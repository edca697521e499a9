/** A hypervisor and a VM under a new name, through the provider's protocol. */
import { z } from "zod";
import { Secret } from "../../provider/wire";
import { Sandbox } from "../scripts/sandbox";
import { startSandboxHost } from "../scripts/sandboxHost";
import type { SandboxHost } from "../scripts/sandboxHost";
import { vm as inputsOfVm, volume as inputsOfVolume } from "./inputs";
import { ProviderProcess, failure } from "./providerProcess";
import { keyPair } from "./scriptedHost";

const operator = keyPair();
let box: Sandbox;
let host: SandboxHost;
let provider: ProviderProcess;

async function configure(hosts: Record<string, object>): Promise<ProviderProcess> {
  const { port, hostKey } = host.ssh;
  const endpoint = { address: "127.0.0.1", port, user: "root", hostKey };
  const all = Object.entries(hosts).map(([name, more]) => [name, { ...endpoint, ...more }]);
  const started = await ProviderProcess.start();
  await started.configure({
    hosts: JSON.stringify(Object.fromEntries(all)),
    agent: "false",
    privateKey: new Secret(operator.privateKey),
  });
  return started;
}

const named = (name: string) => (type: string) =>
  `urn:pulumi:test::site::microvm:index:${type}::${type === "Volume" ? `${name}-var` : name}`;

beforeEach(async () => {
  box = new Sandbox();
  host = await startSandboxHost(box, operator.publicKey);
  box.addToStore(inputsOfVm.runner);
  provider = await configure({ hv1: {} });
  provider.urn = named("kc1");
});
afterEach(async () => {
  await provider.stop();
  await host.ssh.stop();
  box.remove();
});

const vm = { ...inputsOfVm, address: "" };
const renamedVm = { ...vm, name: "kc9", renamedFrom: "kc1" };
const renamedVolume = {
  ...inputsOfVolume,
  vm: "kc9",
  renamedFrom: "kc1",
  image: "/var/lib/microvms/kc9/var.img",
};

test("the inputs of a rename are accepted, and no other names", async () => {
  expect((await provider.check("MicroVm", renamedVm, vm)).failures).toEqual([]);
  expect((await provider.check("Volume", renamedVolume, inputsOfVolume)).failures).toEqual([]);
  const faults = async (type: string, news: object, olds: object): Promise<string[]> => {
    const { failures } = await provider.check(type, { ...olds, ...news }, { ...olds });
    return failures.map((line) => line.split(":")[0] ?? "");
  };
  expect(await faults("MicroVm", { name: "kc9" }, vm)).toEqual(["name"]);
  expect(await faults("MicroVm", { name: "kc9", renamedFrom: "kc2" }, vm)).toEqual(["name"]);
  // The directory moves, so an image in it cannot keep its path. Another path is another disk.
  for (const image of [inputsOfVolume.image, "/data/var.img"]) {
    expect(await faults("Volume", { ...renamedVolume, image }, inputsOfVolume)).toEqual(["image"]);
  }
  const elsewhere = { ...inputsOfVolume, image: "/data/var.img" };
  expect(await faults("Volume", { vm: "kc9", renamedFrom: "kc1" }, elsewhere)).toEqual([]);
  // The same machine may have another name. Another machine is refused.
  expect(await faults("MicroVm", { host: "hv9" }, vm)).toEqual([]);
  const other = { host: "hv9", machineId: "f".repeat(32) };
  expect((await faults("MicroVm", other, vm)).sort()).toEqual(["host", "machineId"]);
  const hv1 = { host: "hv1", bridge: "br0", nic: "eno1" };
  expect(await faults("Hypervisor", { host: "hv9" }, hv1)).toEqual(["host"]);
  expect(await faults("Hypervisor", { host: "hv9", renamedFrom: "hv1" }, hv1)).toEqual([]);
});

test("after a rename, the old name of the hypervisor is not kept in the hosts", async () => {
  const hostsOf = (hosts: object) => ({ hosts: JSON.stringify(hosts), agent: "false" });
  const hv = { address: "192.0.2.1", user: "root", hostKey: "ssh-ed25519 AAAA" };
  const olds = hostsOf({ hv1: hv, hv2: hv });
  const { hosts } = await provider.checkConfig(
    hostsOf({ hv9: { ...hv, renamedFrom: "hv1" } }),
    olds,
  );
  expect(
    Object.keys(
      z.record(z.string(), z.unknown()).parse(JSON.parse(typeof hosts === "string" ? hosts : "{}")),
    ),
  ).toEqual(["hv2", "hv9"]);
});

test("nothing is renamed on a host in maintenance", async () => {
  const { inputs } = await provider.check("MicroVm", vm);
  const { properties } = await provider.create("MicroVm", inputs);
  const resting = await configure({ hv1: { maintenance: true } });
  try {
    resting.urn = named("kc9");
    const news = (await resting.check("MicroVm", renamedVm, inputs)).inputs;
    const { message } = await failure(resting.update("MicroVm", "hv1/kc1", properties, news));
    expect(message).toContain("hv1 is in maintenance: nothing is renamed there");
    expect(box.contents()["state/vms/kc1.json"]).toBeDefined();
  } finally {
    await resting.stop();
  }
});

test("the first resource of a VM moves it, and the others find it there", async () => {
  const { inputs } = await provider.check("MicroVm", vm);
  const made = await provider.create("MicroVm", inputs);
  const volume = (await provider.check("Volume", inputsOfVolume)).inputs;
  const disk = await provider.create("Volume", volume);
  provider.urn = named("kc9");
  const newVolume = (await provider.check("Volume", renamedVolume, volume)).inputs;
  const moved = await provider.update("Volume", "hv1/kc1.var", disk.properties, newVolume);
  expect(moved).toMatchObject({ status: "ready", ownership: "owned", vm: "kc9" });
  const news = (await provider.check("MicroVm", renamedVm, inputs)).inputs;
  const after = await provider.update("MicroVm", "hv1/kc1", made.properties, news);
  expect(after).toMatchObject({ status: "ready", ownership: "owned", running: true, name: "kc9" });
  expect(await provider.diff("MicroVm", after, news, news)).toMatchObject({ some: false });
  const lines = box.journal().filter((line) => /renaming|starting kc\d$/.test(line));
  expect(lines.map((line) => line.replace(/^[^ ]+: /, "")).sort()).toEqual([
    "renaming kc1 to kc9",
    "starting kc1",
    "starting kc9",
  ]);
});

test("the preview warns that a renamed volume is an empty disk", async () => {
  const volume = (await provider.check("Volume", inputsOfVolume)).inputs;
  await provider.create("Volume", volume);
  provider.urn = () => named("kc1")("Volume").replace("-var", "-data");
  const image = "/var/lib/microvms/kc1/data.img";
  const another = { ...inputsOfVolume, name: "data", image, label: "kc1-data" };
  await provider.create("Volume", (await provider.check("Volume", another)).inputs, true);
  expect(await provider.logged("a new empty disk")).toContain(
    "kc1.data: a new empty disk; kc1 has var already",
  );
});
