import { Secret, UNKNOWN } from "../../provider/wire";
import type { ValueMap } from "../../provider/wire";
import { configOf, hypervisor, storePath, vm, volume } from "./inputs";
import { ProviderProcess, failure } from "./providerProcess";
import { MACHINE_ID, healthyFacts, keyPair, startScriptedHost } from "./scriptedHost";
import type { ScriptedHost } from "./scriptedHost";

const operator = keyPair();
let host: ScriptedHost;
let provider: ProviderProcess;

const config = (more: ValueMap = {}): ValueMap => configOf(host, operator, more);

function without(map: ValueMap, key: string): ValueMap {
  return Object.fromEntries(Object.entries(map).filter(([one]) => one !== key));
}

beforeEach(async () => {
  host = await startScriptedHost(operator.publicKey);
  provider = await ProviderProcess.start();
});
afterEach(async () => {
  await provider.stop();
  await host.stop();
});

describe("check", () => {
  test("sets defaults, reports every error, and keeps secrets and unknowns", async () => {
    await provider.configure(config());
    const good = await provider.check("MicroVm", {
      ...without(vm, "running"),
      machineId: UNKNOWN,
      restart: new Secret("hidden"),
    });
    expect(good.failures).toEqual([]);
    expect(good.inputs).toMatchObject({
      machineId: UNKNOWN,
      restart: new Secret("hidden"),
      running: true,
    });

    const bad = await provider.check("MicroVm", {
      ...vm,
      machineId: UNKNOWN,
      name: "../etc",
      runner: "/tmp/x",
      address: "198.18.0.999",
      extra: 1,
    });
    expect(bad.failures.map((one) => one.split(":")[0]).sort()).toEqual([
      "address",
      "extra",
      "name",
      "runner",
    ]);
  });

  test("a volume is never shrunk and never replaced", async () => {
    const shrunk = await provider.check("Volume", { ...volume, sizeMiB: 32 }, volume);
    expect(shrunk.failures).toEqual([
      expect.stringContaining("sizeMiB: 64 MiB can't become 32 MiB"),
    ]);
    for (const [key, value] of Object.entries({
      fsType: "none",
      image: "/var/lib/other.img",
      label: "other",
      name: "data",
      vm: "kw1",
    })) {
      const changed = await provider.check("Volume", { ...volume, [key]: value }, volume);
      expect(changed.failures).toEqual([expect.stringContaining(`${key}: can't be changed`)]);
    }
    // The same machine may have another name. Another machine is refused.
    const renamed = { ...volume, host: "hv2" };
    expect((await provider.check("Volume", renamed, volume)).failures).toEqual([]);
    const moved = { ...renamed, machineId: "f".repeat(32) };
    expect((await provider.check("Volume", moved, volume)).failures).toEqual([
      expect.stringContaining("host: can't be changed"),
      expect.stringContaining("machineId: can't be changed"),
    ]);
    expect((await provider.check("Volume", { ...volume, sizeMiB: 65 }, volume)).failures).toEqual(
      [],
    );
  });
});

describe("diff", () => {
  const state = {
    ...vm,
    booted: vm.runner,
    stale: false,
    autostart: true,
    guestHostKey: "ssh-ed25519 AAAA",
    ownership: "owned",
  };

  test("is empty without changes", async () => {
    expect(await provider.diff("MicroVm", state, vm, vm)).toEqual({
      changes: {},
      some: false,
      replaces: [],
    });
  });

  test("distinguishes drift from a change of the site and never replaces", async () => {
    const drifted = await provider.diff(
      "MicroVm",
      { ...state, running: false, ownership: "altered" },
      vm,
      vm,
    );
    expect(drifted.changes).toEqual({
      running: { kind: 4, inputDiff: false },
      ownership: { kind: 4, inputDiff: false },
    });
    const changed = await provider.diff("MicroVm", state, vm, {
      ...vm,
      runner: storePath("other"),
    });
    expect(changed.changes).toEqual({ runner: { kind: 4, inputDiff: true } });
    expect(changed.replaces).toEqual([]);
    const target = { ...vm, memoryTargetMiB: 192 };
    const smaller = await provider.diff("MicroVm", state, vm, target);
    expect(smaller.changes).toEqual({ memoryTargetMiB: { kind: 0, inputDiff: true } });
    const pending = { ...state, memoryTargetMiB: 192, memoryPending: true };
    expect((await provider.diff("MicroVm", pending, target, target)).changes).toEqual({
      memoryPending: { kind: 4, inputDiff: false },
    });
    const removed = await provider.diff("MicroVm", state, vm, without(vm, "restart"));
    expect(removed.changes).toEqual({ restart: { kind: 2, inputDiff: true } });
  });
});

describe("preview", () => {
  test("contacts no host and predicts nothing if inputs are unknown", async () => {
    await provider.configure(config());
    const made = await provider.create("MicroVm", { ...vm, machineId: UNKNOWN }, true);
    expect(made.id).toBe("");
    expect(made.properties).toMatchObject({
      machineId: UNKNOWN,
      guestHostKey: UNKNOWN,
      name: "kc1",
    });
    expect(host.counts.connections).toBe(0);
  });

  test("leaves the host key of a new VM unknown", async () => {
    await provider.configure(config());
    const made = await provider.create("MicroVm", vm, true);
    expect(made.properties["guestHostKey"]).toEqual(UNKNOWN);
    expect(host.counts).toMatchObject({ connections: 1, probes: 1 });
  });

  test("reports blockers", async () => {
    host.facts.splice(-1, 0, "link\tkc1/current\t/nix/store/x");
    await provider.configure(config());
    expect((await failure(provider.create("MicroVm", vm, true))).message).toContain(
      "no stack recorded making it",
    );
  });
});

test("all reads of a host share one connection and one probe", async () => {
  await provider.configure(config());
  const reads = Array.from({ length: 40 }, (_, index) =>
    provider.read("Volume", `hv1/kc1.v${index}`, { ...volume, name: `v${index}` }, {}),
  );
  for (const read of await Promise.all(reads)) expect(read.id).toBe("");
  expect(host.counts).toMatchObject({ connections: 1, probes: 1 });
});

describe("hypervisor checks", () => {
  const checked = async (): Promise<ValueMap> =>
    (await provider.check("Hypervisor", hypervisor)).inputs;

  test("a healthy host passes", async () => {
    await provider.configure(config());
    const made = await provider.create("Hypervisor", await checked());
    expect(made.properties).toMatchObject({
      machineId: MACHINE_ID,
      verdicts: { kvm: "ok", bridge: "ok" },
    });
  });

  test("all failing checks come in one error, each with its remedy", async () => {
    host.facts = healthyFacts().filter((line) => !/^(kvm|bridge|nix\tflakes|clock)/.test(line));
    host.facts.splice(1, 0, "clock\t1000", "bridge\tbr0\tdown\t");
    await provider.configure(config());
    const { message } = await failure(provider.create("Hypervisor", await checked()));
    for (const part of [
      "neither vmx nor svm",
      "/dev/kvm is missing",
      "br0 is down",
      "eno1 is not a port",
      "flakes",
      "the clock is",
    ]) {
      expect(message).toContain(part);
    }
    expect(message.match(/Remedy:/g)?.length).toBe(7);
  });

  test("warn logs and continues, off skips the check", async () => {
    host.facts = healthyFacts().filter((line) => !line.startsWith("kvm"));
    await provider.configure(config());
    const modes = { kvm: "warn", disk: "off" };
    const { inputs } = await provider.check("Hypervisor", { ...hypervisor, checks: modes });
    const made = await provider.create("Hypervisor", inputs);
    expect(made.properties["verdicts"]).toMatchObject({ kvm: "failed", disk: "off" });
    expect(await provider.logged("neither vmx nor svm")).toContain("hv1: kvm:");
  });
});

describe("a host with a problem", () => {
  test("with a wrong key is refused before authentication; the error has both keys", async () => {
    const pinned = keyPair().publicKey;
    await provider.configure(config({ hostKey: pinned }));
    const failed = await failure(provider.create("Volume", volume, true));
    expect(failed.message.match(/SHA256:[A-Za-z0-9+/]{43}/g)?.length).toBe(2);
    expect(host.counts).toMatchObject({ authentications: 0, connections: 1 });
  });

  test("that refuses the keys is tried once", async () => {
    await provider.configure({ ...config(), privateKey: new Secret(keyPair().privateKey) });
    const failed = await failure(provider.create("Volume", volume, true));
    expect(failed.message).toContain("refused every key");
    expect(host.counts.connections).toBe(1);
  });

  test("that is unreachable keeps its recorded state, as a failed init", async () => {
    await provider.configure(config({ port: 1 }));
    const state = { ...volume, status: "ready", ownership: "owned" };
    const failed = await failure(provider.read("Volume", "hv1/kc1.var", volume, state));
    expect(failed.initFailed).toMatchObject({
      id: "hv1/kc1.var",
      properties: state,
      inputs: volume,
    });
    expect(failed.initFailed?.reasons.join()).toContain("can't be reached");
  });

  test("with the right key but another machine id is refused", async () => {
    await provider.configure(config());
    const other = { ...volume, machineId: "f".repeat(32) };
    expect((await failure(provider.create("Volume", other, true))).message).toContain(
      "another machine",
    );
  });

  test("in maintenance is not contacted, and its resources stay as they are", async () => {
    await provider.configure(config({ maintenance: true }));
    const state = { ...volume, status: "ready", ownership: "owned" };
    expect((await provider.read("Volume", "id", volume, state)).properties).toEqual(state);
    expect((await failure(provider.create("Volume", volume))).message).toContain("in maintenance");
    expect(host.counts.connections).toBe(0);
  });
});

test("the provider honors customTimeouts", async () => {
  host.onExec = () => undefined;
  await provider.configure(config());
  const failed = await failure(provider.create("Volume", volume, false, 1));
  expect(failed.message).toContain("timed out");
});

test("cancel ends waiting calls", async () => {
  host.onExec = () => undefined;
  await provider.configure(config());
  const waiting = failure(provider.create("Volume", volume));
  while (host.counts.connections === 0) await new Promise((resolve) => setImmediate(resolve));
  await provider.cancel();
  const { code, message } = await waiting;
  expect(code).toBe(1);
  expect(message).toContain("cancelled");
});

test("the provider exits when its engine is gone", async () => {
  provider.stopEngine();
  expect(await provider.exited()).toBe(0);
});

test("a host that left the site stays reachable for its remaining resources", async () => {
  const before = await provider.checkConfig(config());
  const after = await provider.checkConfig({ ...config(), hosts: "{}" }, before);
  expect(after["hosts"]).toEqual(before["hosts"]);
  expect(after["privateKey"]).toBeInstanceOf(Secret);
});

test.each([
  ["Volume", "hv1/kc1", "HYPERVISOR/VM.VOLUME"],
  ["Volume", "kc1.var", "HYPERVISOR/VM.VOLUME"],
  ["MicroVm", "kc1", "HYPERVISOR/VM"],
  ["Hypervisor", "hv1/kc1", "the hypervisor's name"],
])("%s %s is not a valid import id, and the error shows the shape", async (type, id, shape) => {
  await provider.configure(config());
  const { message } = await failure(provider.read(type, id, {}, {}));
  expect(message).toContain(`${id} is not a valid import id\n  Use ${shape}`);
});

test("the schema describes every resource and its properties", async () => {
  const schema: unknown = JSON.parse(await provider.schema());
  expect(schema).toMatchObject({
    name: "microvm",
    provider: { inputProperties: { privateKey: { secret: true } } },
    resources: {
      "microvm:index:Volume": {
        inputProperties: {
          onDelete: { $ref: "#/types/microvm:index:OnDelete", default: "retain" },
        },
        requiredInputs: ["host", "machineId", "vm", "name", "image", "sizeMiB", "label"],
      },
    },
  });
});
