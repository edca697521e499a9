/** The host knows where a guest is: logins before a change of its address go to the old one. */
import type { ValueMap } from "../../provider/wire";
import { openRecord } from "../../provider/ownership";
import { configOf, storePath, vm, volume } from "./inputs";
import { ProviderProcess, failure, urn } from "./providerProcess";
import { answerWell, keyPair, startScriptedHost } from "./scriptedHost";
import type { ScriptedHost } from "./scriptedHost";
import { vmFacts } from "./vmFacts";

const operator = keyPair();
const NEW = "198.18.0.99";
const SYSTEM = storePath("system");
const MIB = 1024 * 1024;
let host: ScriptedHost;
let guest: ScriptedHost;
let provider: ProviderProcess;
/** The facts of the host after each of the next operations. */
let next: string[][];

beforeEach(async () => {
  host = await startScriptedHost(operator.publicKey);
  guest = await startScriptedHost(operator.publicKey);
  host.tunnels.set(`${vm.address}:22`, guest.port);
  next = [];
  host.onExec = (exec) => {
    if (exec.operation !== undefined) host.facts = next.shift() ?? host.facts;
    answerWell(host)(exec);
  };
  provider = await ProviderProcess.start();
  await provider.configure(configOf(host, operator));
});
afterEach(async () => {
  await provider.stop();
  await guest.stop();
  await host.stop();
});

/** A VM that runs, with more lines. The host has recorded where its guest is. */
function facts(...more: string[]): string[] {
  const lines = vmFacts({ phase: "ready", system: SYSTEM, hostKey: guest.hostKey });
  return [`guest\tkc1\t${SYSTEM}\t${vm.address}\tkc1`, ...more, ...lines];
}

describe("a volume in use", () => {
  const growing = (sizeMiB: number, phase: string, ...more: string[]): string[] => {
    const { image, fsType, label, onDelete } = volume;
    const record = openRecord(urn("Volume"), { image, fsType, label, onDelete });
    return facts(
      `image\t${image}\t${sizeMiB * MIB}\t2048`,
      `record\tvolumes\tkc1.var\t${record}${phase}"}`,
      ...more,
    );
  };
  const before = { ...volume, status: "ready", ownership: "owned", content: "as stated" };
  const grown = async (preview = false): Promise<unknown> => {
    const wanted = { ...volume, sizeMiB: 96, address: NEW };
    const { inputs } = await provider.check("Volume", wanted);
    return provider.update("Volume", "hv1/kc1.var", before, inputs, 30, { preview });
  };

  test("grows at the address that the guest has, not at the one that it will get", async () => {
    host.facts = growing(64, "ready", "vmm\tkc1\tqemu");
    next = [growing(96, "growing"), growing(96, "ready")];
    guest.facts = GUEST_FACTS;
    await grown();
    expect(guest.operations).toHaveLength(1);
  });

  test.each([true, false])("is refused if its VMM cannot do it; preview: %s", async (preview) => {
    host.facts = growing(64, "ready");
    const { message } = await failure(grown(preview));
    expect(message).toContain("can't grow while its VM runs: this takes QEMU");
    expect(message).toContain("Stop the VM: running: false");
    expect(host.operations).toEqual([]);
  });
});

const GUEST_FACTS = [
  `machine-id\t${"b".repeat(32)}`,
  "hostname\tkc1",
  "clock\t1700000000",
  "taken\t100",
  "boot-id\t0-1",
  `system\t${SYSTEM}`,
  "probed",
];

describe("a VM", () => {
  const before: ValueMap = { ...vm, status: "ready", ownership: "owned" };

  test("that gets another address restarts, and is not logged in to", async () => {
    host.facts = facts();
    const other = storePath("other");
    host.tunnels.set(`${NEW}:22`, guest.port);
    const sent: (string | undefined)[] = [];
    const serve = host.onExec;
    host.onExec = (exec) => {
      if (exec.stdin.includes("\nrunner=")) sent.push(/^update=(\w+)$/m.exec(exec.stdin)?.[1]);
      serve(exec);
    };
    const started = { runner: storePath("next"), toplevel: other, hostKey: guest.hostKey };
    next = [vmFacts({ ...started, phase: "switching" }), vmFacts({ ...started, phase: "ready" })];
    const wanted = { ...vm, runner: storePath("next"), toplevel: other, address: NEW };
    const live = { ...wanted, liveSwitch: true, closureInfo: storePath("info") };
    const { inputs } = await provider.check("MicroVm", live);
    await provider.update("MicroVm", "hv1/kc1", before, inputs, 30);
    expect(sent[0]).toBe("restart");
    expect(guest.counts.authentications).toBe(0);
  });

  test.each([true, false])("without a balloon takes no target; preview: %s", async (preview) => {
    host.facts = facts();
    const { inputs } = await provider.check("MicroVm", { ...vm, memoryTargetMiB: 64 });
    const { message } = await failure(
      provider.update("MicroVm", "hv1/kc1", before, inputs, 30, { preview }),
    );
    expect(message).toContain("the memory target of kc1 can't be applied");
    expect(message).toContain("or remove memoryTarget");
    expect(host.operations).toEqual([]);
  });
});
