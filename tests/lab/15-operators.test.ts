/** Two operators at once, and two stacks on one host. */
import { rmSync } from "node:fs";
import { join } from "node:path";
import { Gate, startUp } from "./kill";
import { GOOD, bootOf, guests } from "./ownSystem";
import {
  FlakeCopy,
  PROJECT,
  SiteCopy,
  bootId,
  expectNoChanges,
  journalEnd,
  mutations,
  on,
  pulumi,
  state,
  up,
  STACK,
  STACK_NAME,
} from "./lab";

const site = new SiteCopy();
const OTHER = "--stack=other";

beforeAll(() => site.converge());
afterAll(() => site.restore());

async function run(...words: string[]): Promise<string> {
  const { code, text } = await pulumi(...words);
  if (code !== 0) throw new Error(text);
  return text;
}

async function makeOther(file: string): Promise<void> {
  await run("stack", "init", "--no-select", "other");
  await run("config", "set", "site", file, OTHER);
}

async function removeOther(): Promise<void> {
  await run("stack", "rm", "--yes", "--force", "other");
  rmSync(join(PROJECT, ".site", "other"), { recursive: true, force: true });
}

describe("a second stack that claims the same hosts and VMs", () => {
  beforeAll(() => makeOther(site.file));
  afterAll(removeOther);

  test.each([
    ["preview", ["preview"]],
    ["up", ["up", "--yes", "--skip-preview"]],
  ])("is refused in %s, which names the owner, and nothing changes", async (_, words) => {
    const ends = await Promise.all(["hv1", "hv2"].map(journalEnd));
    const { code, text } = await pulumi(...words, OTHER);
    expect(code).not.toBe(0);
    expect(text).toMatch(new RegExp(`this host belongs to urn:pulumi:${STACK_NAME}::\\S+::hv[12]`));
    expect(await mutations("hv1", ends[0] ?? "")).toEqual([]);
    expect(await mutations("hv2", ends[1] ?? "")).toEqual([]);
    await expectNoChanges();
  });
});

describe("two stacks that share hv1", () => {
  const theirs = new SiteCopy();
  const flake = new FlakeCopy();
  const SHARED = { "hypervisors.hv1.shared": true };
  const UP = ["up", "--yes", "--skip-preview", OTHER];
  const kx1 = {
    hypervisor: "hv1",
    profile: "worker",
    ip: "198.18.0.41",
    mac: "02:00:00:00:00:41",
  };
  const claims = (): Promise<string> => on("hv1", "ls /var/lib/pulumi-microvm/hosts");
  const systemOf = (rebootPolicy: string): Record<string, unknown> => ({
    ...SHARED,
    flake: flake.reference,
    "hypervisors.hv1.system": { rebootPolicy, confirmTimeout: "15s", switchTimeout: "10s" },
  });

  function setTheirs(changes: Record<string, unknown>): Promise<void> {
    return theirs.set({ "hypervisors.hv2": undefined, vms: { kx1 }, ...SHARED, ...changes });
  }

  async function previewOfOther(changes: Record<string, unknown>): Promise<string> {
    await setTheirs(changes);
    const { code, text } = await pulumi("preview", OTHER);
    await setTheirs({});
    expect(code).not.toBe(0);
    return text;
  }

  beforeAll(async () => {
    await setTheirs({});
    await makeOther(theirs.file);
    await site.set(SHARED);
    await up();
  });
  afterAll(async () => {
    await pulumi("destroy", "--yes", "--skip-preview", OTHER);
    await removeOther();
    // The host keeps its booted kernel.
    flake.reset();
    flake.write("hypervisor/start.sh", GOOD);
    await site.set(systemOf("ifRequired"));
    await up();
    await site.reset();
    await up();
    expect(await claims()).toBe("host.json");
    flake.remove();
  });

  test("both converge, and neither sees a change of the other", async () => {
    const before = await guests();
    await run(...UP);
    expect(await on("hv1", "systemctl is-active microvm@kx1")).toBe("active");
    expect((await claims()).split("\n")).toHaveLength(2);
    await run("preview", "--expect-no-changes", OTHER);
    await expectNoChanges();
    expect(await guests()).toEqual(before);
  });

  test("a conflict is refused in the preview, with the names of stack and VM", async () => {
    expect(await previewOfOther({ "vms.kx1.ip": site.get("vms.kc1.ip") })).toMatch(
      `VM kx1: its address 198.18.0.21 is used by VM kc1 of stack ${STACK_NAME} of project `,
    );
    const large = { "hypervisors.hv1.memory": undefined, "vms.kx1.memory": "9000GiB" };
    expect(await previewOfOther(large)).toMatch(
      new RegExp(
        "memory: the VMs want \\d+ MiB of memory \\(9216000 for this stack; 448 for stack " +
          `${STACK_NAME} of project \\S+: kc1 256, kw1 192\\)`,
      ),
    );
    expect(await previewOfOther({ "hypervisors.hv1.shared": false })).toContain(
      `this host is shared by stack ${STACK_NAME}`,
    );
  });

  test("the host is switched but not rebooted while a VM of the other stack runs", async () => {
    const boot = await bootOf();
    const before = [...(await guests()), await bootId("kx1")];
    flake.write("hypervisor/start.sh", GOOD);
    flake.write("hypervisor/kernel", "lab kernel of a shared host\n");
    await site.set(systemOf("ifRequired"));
    const refusal = /VMs of other stacks run there: VM kx1 of stack other of project /;
    const first = await pulumi("up", "--yes", "--skip-preview", STACK);
    expect(first.code).not.toBe(0);
    expect(first.text).toMatch(refusal);
    const second = await pulumi("preview", STACK);
    expect(second.code).not.toBe(0);
    expect(second.text).toMatch(refusal);
    await site.set(systemOf("never"));
    expect(await up()).toMatch(/warning: hv1: reboot required/);
    expect(await bootOf()).toBe(boot);
    expect([...(await guests()), await bootId("kx1")]).toEqual(before);
  });

  test("a destroy leaves the VMs and the claim of the other stack", async () => {
    const before = await guests();
    await run("destroy", "--yes", "--skip-preview", OTHER);
    expect(await on("hv1", "systemctl is-active microvm@kx1 || true")).toBe("inactive");
    expect((await claims()).split("\n")).toHaveLength(1);
    expect(await guests()).toEqual(before);
    await expectNoChanges();
  });
});

test("of two operators of one stack, one converges and the other is refused", async () => {
  const gate = new Gate("hv2");
  await gate.install();
  try {
    const end = await journalEnd("hv2");
    await site.set({ "vms.kw2.restart": "by one of two" });
    await gate.stopAt(1);
    const first = startUp();
    expect(await gate.reached(first)).toBe(true);
    const second = await pulumi("up", "--yes", "--skip-preview", STACK);
    expect(second.code).not.toBe(0);
    expect(second.text).toMatch(/the stack is currently locked by 1 lock/);
    await gate.open();
    expect((await first.ended).code).toBe(0);
    await expectNoChanges();
    const lines = (await mutations("hv2", end)).filter((line) => line.includes("kw2"));
    expect(lines.filter((line) => /restarting|stopping/.test(line))).toHaveLength(1);
    expect((await state()).get("MicroVm kw2")?.outputs).toMatchObject({ restart: "by one of two" });
  } finally {
    await gate.remove();
  }
});

test("of two operations on one host, the second waits for the lock and reports it", async () => {
  await on(
    "hv2",
    "systemd-run --quiet --unit=another-operator " +
      "flock /run/pulumi-microvm/locks/host sleep infinity",
  );
  await site.set({ "vms.kw2.restart": "behind another" });
  const running = startUp();
  let ended = false;
  void running.ended.finally(() => (ended = true));
  try {
    await running.printed(/kw2 .*waiting for the lock of host/);
    expect(ended).toBe(false);
  } finally {
    await on("hv2", "systemctl stop another-operator");
  }
  expect((await running.ended).code).toBe(0);
  await expectNoChanges();
});
