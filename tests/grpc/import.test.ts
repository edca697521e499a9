/** `pulumi import` records the objects as they are. The next `up` only adds ownership records. */
import { makeRecord } from "../../provider/ownership";
import type { ValueMap } from "../../provider/wire";
import { Sandbox } from "../scripts/sandbox";
import { startSandboxHost } from "../scripts/sandboxHost";
import { configOf, storePath } from "./inputs";
import { ProviderProcess, failure, urn } from "./providerProcess";
import { healthyFacts, keyPair, startScriptedHost } from "./scriptedHost";
import type { ScriptedHost } from "./scriptedHost";
import { vmFacts } from "./vmFacts";

const operator = keyPair();
let provider: ProviderProcess;

beforeEach(async () => {
  provider = await ProviderProcess.start();
});
afterEach(() => provider.stop());

const configure = (host: ScriptedHost): Promise<unknown> =>
  provider.configure(configOf(host, operator));

const withBridges = (...bridges: string[]): string[] => [
  ...healthyFacts().filter((line) => !/^(bridge|probed)/.test(line)),
  ...bridges.map((bridge) => `bridge\t${bridge}`),
  "probed",
];

describe("Hypervisor", () => {
  let host: ScriptedHost;
  beforeEach(async () => {
    host = await startScriptedHost(operator.publicKey);
    await configure(host);
  });
  afterEach(() => host.stop());
  const find = (): Promise<{ properties: ValueMap; inputs: ValueMap }> =>
    provider.read("Hypervisor", "hv1", {}, {});

  test("one up claims the host, and the next one has nothing to do", async () => {
    const { properties, inputs } = await find();
    expect(properties).toMatchObject({ bridge: "br0", nic: "eno1", ownership: "missing" });
    expect((await provider.diff("Hypervisor", properties, inputs, inputs)).changes).toEqual({
      ownership: { kind: 4, inputDiff: false },
    });
    host.onExec = (exec) => {
      if (exec.operation !== undefined) {
        host.facts.splice(-1, 0, `record\thosts\thost\t${makeRecord(urn("Hypervisor"), {})}`);
      }
      exec.answer([...host.facts, `${exec.nonce} done`], 0);
    };
    const claimed = await provider.update("Hypervisor", "hv1", properties, inputs);
    expect(await provider.diff("Hypervisor", claimed, inputs, inputs)).toMatchObject({
      some: false,
    });
  });

  test.each([
    ["libvirt's comes first", ["virbr0\tdown\t", "br1\tup\teth1 vm-kc1"], "br1", "eth1"],
    ["the first bridge has only VMs", ["virbr0\tup\tvnet0", "br0\tup\tvm-a bond0"], "br0", "bond0"],
    ["no port has the name of a card", ["virbr0\tdown\t", "lan\tup\tuplink"], "lan", "uplink"],
  ])("finds the bridge with a card if %s", async (_, bridges, bridge, nic) => {
    host.facts = withBridges(...bridges);
    expect((await find()).properties).toMatchObject({ bridge, nic });
  });

  test.each([
    ["no bridge", [], "it has no bridge with a card as its port\n  Remove the import"],
    ["no port", ["virbr0\tdown\t"], "it has no bridge with a card as its port\n"],
    ["a port of no usual name", ["br0\tup\teth#0"], "nic must be the name of a network interface"],
  ])("%s: said in words", async (_, bridges, words) => {
    host.facts = withBridges(...bridges);
    expect((await failure(find())).message).toContain(`hv1 can't be imported as it is: ${words}`);
  });

  test("a VM whose runner is not a store path is refused with a clear message", async () => {
    host.facts.splice(-1, 0, "link\tkc1/current\t/opt/runner", "link\tkc1/toplevel\t/opt/system");
    const { message } = await failure(provider.read("MicroVm", "hv1/kc1", {}, {}));
    expect(message).toContain(
      "hv1/kc1 can't be imported as it is: runner must be a Nix store path",
    );
  });
});

describe("a VM that does not run what it was started with", () => {
  let host: ScriptedHost;
  beforeEach(async () => {
    host = await startScriptedHost(operator.publicKey);
    await configure(host);
  });
  afterEach(() => host.stop());

  const lines = (...more: string[]): string[] => [
    ...healthyFacts().slice(0, -1),
    ...vmFacts({
      phase: "ready",
      runner: storePath("new"),
      toplevel: storePath("system-new"),
      booted: storePath("old"),
      hostKey: "ssh-ed25519 AAAA",
    }).filter((line) => /\tkc1\b|@kc1/.test(line) && !line.startsWith("record")),
    ...more,
    "probed",
  ];
  const said = (system: string): string => `guest-system\tkc1\t2\t${storePath(system)}`;
  const hardware = (of: string, hash: string): string => `hardware\tkc1\t${storePath(of)}\t${hash}`;

  test("but was switched live to the installed system, is imported without a change", async () => {
    host.facts = lines(said("system-new"), hardware("old", "h1"), hardware("new", "h1"));
    const { properties, inputs } = await provider.read("MicroVm", "hv1/kc1", {}, {});
    expect(properties).toMatchObject({ running: true, stale: false, hardware: "h1" });
    const stated = { ...inputs, liveSwitch: true, closureInfo: storePath("info") };
    const news = (await provider.check("MicroVm", stated)).inputs;
    await provider.update("MicroVm", "hv1/kc1", properties, news, 0, { preview: true });
    expect(provider.logs.filter((line) => /restart|switch/.test(line))).toEqual([]);
  });

  test.each([
    ["other hardware", [said("system-new"), hardware("old", "h1"), hardware("new", "h2")]],
    ["another system", [said("system-old"), hardware("old", "h1"), hardware("new", "h1")]],
    ["hardware that nobody recorded", [said("system-new")]],
  ])("and has %s, is not", async (_, more) => {
    host.facts = lines(...more);
    const { message } = await failure(provider.read("MicroVm", "hv1/kc1", {}, {}));
    expect(message).toContain("Restart the VM first");
  });
});

test("one up records a VM and its volume and touches no VM", async () => {
  const box = new Sandbox();
  const { ssh } = await startSandboxHost(box, operator.publicKey);
  try {
    for (const name of ["runner", "system"]) box.addToStore(storePath(name));
    box.fill({
      "microvms/kc1": "directory 755",
      "microvms/kc1/current": `-> ${storePath("runner")}`,
      "microvms/kc1/toplevel": `-> ${storePath("system")}`,
      "microvms/kc1/booted": `-> ${storePath("runner")}`,
      "microvms/kc1/var.img": `file 644 ${64 * 1024 * 1024} `,
      "units/microvm@kc1.service": "file 644 7 active\n",
    });
    await configure(ssh);
    for (const [type, id, changes] of [
      ["Volume", "hv1/kc1.var", ["ownership", "status"]],
      ["MicroVm", "hv1/kc1", ["autostart", "ownership"]],
    ] as const) {
      const { properties, inputs } = await provider.read(type, id, {}, {});
      const found = (await provider.diff(type, properties, inputs, inputs)).changes;
      expect(Object.keys(found).sort()).toEqual(changes);
      const taken = await provider.update(type, id, properties, inputs);
      expect(await provider.diff(type, taken, inputs, inputs)).toMatchObject({ changes: {} });
    }
    expect(box.journal().join("\n")).not.toMatch(/: (starting|stopping|restarting) kc1$/m);
  } finally {
    await ssh.stop();
    box.remove();
  }
});
