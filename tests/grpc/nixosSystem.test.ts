/** A host's own system through the provider's protocol: operations, connections and messages. */
import { makeRecord } from "../../provider/ownership";
import type { ValueMap } from "../../provider/wire";
import { configOf } from "./inputs";
import { ProviderProcess, failure, urn } from "./providerProcess";
import { answerWell, healthyFacts, keyPair, startScriptedHost } from "./scriptedHost";
import type { ScriptedHost } from "./scriptedHost";

const operator = keyPair();
let host: ScriptedHost;
let provider: ProviderProcess;

const path = (name: string): string => `/nix/store/${"0".repeat(32)}-${name}`;
const A = path("a");
const B = path("b");
const BOOT = "11111111-1111-1111-1111-111111111111";

/** A host that runs `current` and booted `booted`. `more` are further lines of its probe. */
function hostWith(current: string, profile: string, ...more: string[]): string[] {
  const lines = [`boot-id\t${BOOT}`, `system\tcurrent\t${current}`, `system\tbooted\t${A}`];
  return [
    ...healthyFacts().slice(0, -1),
    ...lines,
    `system\tprofile\t${profile}`,
    ...more,
    "probed",
  ];
}

/** The record of this stack. */
const OURS = `record\tsystems\tnixos\t${makeRecord(urn("NixosSystem"), {})}`;

beforeEach(async () => {
  host = await startScriptedHost(operator.publicKey);
  provider = await ProviderProcess.start();
  await provider.configure(configOf(host, operator));
});
afterEach(async () => {
  await provider.stop();
  await host.stop();
});

const wanted = async (more: ValueMap = {}): Promise<ValueMap> => {
  const given = { host: "hv1", drvPath: path("b.drv"), toplevel: B, ...more };
  return (await provider.check("NixosSystem", given)).inputs;
};

/** Each operation changes the host to the next of these facts. */
function becomes(...next: string[][]): void {
  const seen = new Set<string>();
  host.onExec = (exec) => {
    if (exec.operation !== undefined && !seen.has(exec.operation)) {
      seen.add(exec.operation);
      host.facts = next.shift() ?? host.facts;
    }
    answerWell(host)(exec);
  };
}

test("a switch is confirmed over a new connection, then made the default", async () => {
  host.facts = hostWith(B, A);
  becomes(
    hostWith(B, A, OURS, `trial\tswitching ${B} ${A} ${BOOT}`),
    hostWith(B, A, OURS, `trial\tconfirmed ${B} ${A} ${BOOT}`),
    hostWith(B, B, OURS),
  );
  const made = await provider.create("NixosSystem", await wanted());
  expect(made.properties).toMatchObject({ toplevel: B, profile: B, status: "ready" });
  expect(host.operations).toHaveLength(3);
  expect(host.counts.connections).toBe(2);
});

test("a host that does not run NixOS is refused in the preview", async () => {
  const { message } = await failure(provider.create("NixosSystem", await wanted(), true));
  expect(message).toContain("the host does not run NixOS");
  expect(host.operations).toEqual([]);
});

describe("under a new name of its hypervisor", () => {
  const named = (name: string) => (type: string) =>
    `urn:pulumi:test::site::microvm:index:${type}::${name}`;
  const recordOf = (name: string): string =>
    `record\tsystems\tnixos\t${makeRecord(named(name)("NixosSystem"), {})}`;

  beforeEach(async () => {
    await provider.stop();
    provider = await ProviderProcess.start();
    const hv1 = configOf(host, operator);
    const { hosts } = hv1;
    const text = typeof hosts === "string" ? hosts : "";
    const renamed = text.replace('"hv1":{', '"hv9":{"renamedFrom":"hv1",');
    await provider.configure({ ...hv1, hosts: renamed });
    provider.urn = named("hv9");
  });

  test("only its record changes", async () => {
    host.facts = hostWith(B, B, recordOf("hv1"));
    const before = await wanted();
    const more = { host: "hv9", renamedFrom: "hv1" };
    const stated = { ...before, ...more };
    const { inputs, failures } = await provider.check("NixosSystem", stated, before);
    expect(failures).toEqual([]);
    const { properties } = await provider.read("NixosSystem", "hv1", before, {});
    const scripts: string[] = [];
    host.onExec = (exec) => {
      if (exec.operation !== undefined) {
        scripts.push(exec.stdin);
        host.facts = hostWith(B, B, recordOf("hv9"));
      }
      answerWell(host)(exec);
    };
    const after = await provider.update("NixosSystem", "hv1", properties, inputs);
    expect(after).toMatchObject({ host: "hv9", ownership: "owned", toplevel: B, status: "ready" });
    expect(host.operations).toHaveLength(1);
    expect(scripts.join()).toContain(`former_owner="urn":"${named("hv1")("NixosSystem")}",`);
    expect(await provider.diff("NixosSystem", after, inputs, inputs)).toMatchObject({
      some: false,
    });
    const later = (await provider.check("NixosSystem", { ...inputs, renamedFrom: null }, inputs))
      .inputs;
    expect(await provider.diff("NixosSystem", after, inputs, later)).toMatchObject({ some: false });
  });

  test("another host is refused, and a name that is not stated is asked for", async () => {
    const before = await wanted();
    const faults = await provider.check("NixosSystem", { ...before, host: "hv9" }, before);
    expect(faults.failures.join()).toContain("set renamedFrom to its old name");
    host.facts = hostWith(B, B, recordOf("hv1"));
    const { message } = await failure(
      provider.create("NixosSystem", { ...before, host: "hv9" }, true),
    );
    expect(message).toContain("If hv9 is the new name of hv1, state it: renamedFrom: hv1.");
  });
});

test("a preview shows the new system and sends no operation", async () => {
  host.facts = hostWith(A, A);
  const made = await provider.create("NixosSystem", await wanted(), true);
  expect(made.properties).toMatchObject({ toplevel: B, profile: B, booted: A, status: "ready" });
  expect(host.operations).toEqual([]);
});

describe("a reboot while VMs of another stack run", () => {
  const others = (active: string): string[] => [
    "link\tkw1/current\t/nix/store/r",
    `active\tmicrovm@kw1.service\t${active}`,
    `record\tvms\tkw1\t${makeRecord("urn:pulumi:prod::site::microvm:index:MicroVm::kw1", {})}`,
  ];
  const ours = (active: string): string[] => [
    "link\tkc1/current\t/nix/store/r",
    `active\tmicrovm@kc1.service\t${active}`,
    `record\tvms\tkc1\t${makeRecord(urn("MicroVm"), {})}`,
  ];
  const NEW_KERNEL = [`system\tcurrent-kernel\t${path("k2")}`, `system\tbooted-kernel\t${A}/k`];
  const NAMED = "VMs of other stacks run there: VM kw1 of stack prod of project site";
  const policy = { rebootPolicy: "ifRequired" };

  /** Previews an update from system A to B. The kernels of both are known. */
  async function previewed(facts: string[], more: ValueMap = policy, newHash = "h2") {
    host.facts = hostWith(A, A, OURS, ...facts);
    const before = await wanted({ ...more, toplevel: A, bootHash: "h1" });
    const { properties } = await provider.read("NixosSystem", "hv1", before, {});
    const inputs = await wanted({ ...more, bootHash: newHash });
    const options = { preview: true, oldInputs: before };
    return provider.update("NixosSystem", "hv1", properties, inputs, 0, options);
  }

  test("is refused in the preview, which names the VMs", async () => {
    const { message } = await failure(previewed([...ours("active"), ...others("active")]));
    expect(message).toContain(NAMED);
    expect(message).not.toContain("kc1");
    expect(host.operations).toEqual([]);
  });

  test.each<[string, () => Promise<ValueMap>]>([
    ["if no VM of another stack runs", () => previewed([...ours("active"), ...others("inactive")])],
    ["if the kernel stays", () => previewed(others("active"), policy, "h1")],
    ["with rebootPolicy never", () => previewed(others("active"), { rebootPolicy: "never" })],
  ])("is not refused %s", async (_, preview) => {
    expect(await preview()).toMatchObject({ toplevel: B });
  });

  test("is refused before it begins if only the switch shows that it is required", async () => {
    host.facts = hostWith(B, A, ...others("active"));
    becomes(
      hostWith(B, A, OURS, `trial\tswitching ${B} ${A} ${BOOT}`, ...others("active")),
      hostWith(
        B,
        A,
        OURS,
        `trial\tconfirmed ${B} ${A} ${BOOT}`,
        ...NEW_KERNEL,
        ...others("active"),
      ),
    );
    const failed = await failure(provider.create("NixosSystem", await wanted(policy)));
    expect(failed.initFailed?.reasons.join()).toContain(NAMED);
    expect(host.operations).toHaveLength(2);
  });
});

describe("a hypervisor's checks", () => {
  const hypervisor = { host: "hv1", bridge: "br0", nic: "eno1", system: B };
  const unfit = (lines: string[]): string[] => lines.filter((line) => !line.startsWith("kvm"));

  test("do not block before the system runs, and report the first failure afterwards", async () => {
    host.facts = unfit(hostWith(A, A));
    const { inputs } = await provider.check("Hypervisor", hypervisor);
    const made = await provider.create("Hypervisor", inputs, true);
    expect(made.properties["machineId"]).toMatch(/^[0-9a-f]{32}$/);
    expect((await failure(provider.create("Hypervisor", inputs))).message).toContain(
      `the checks wait for ${B}`,
    );
  });

  test("apply when the system runs", async () => {
    host.facts = unfit(hostWith(B, B));
    const { inputs } = await provider.check("Hypervisor", hypervisor);
    expect((await failure(provider.create("Hypervisor", inputs, true))).message).toContain(
      "/dev/kvm is missing",
    );
  });
});
