/**
 * The provider, the engine or the connections are stopped at the mutations of a VM's create, update
 * and delete: at each mutation in a soak run, otherwise at a sample. The next `up` converges, the
 * journal of the host contains each mutation once, and no process remains.
 */
import {
  ENGINE,
  Gate,
  NEVER,
  PROVIDER,
  cutLinks,
  gone,
  interrupt,
  killedAt,
  processesBelow,
  signal,
  startUp,
} from "./kill";
import {
  SiteCopy,
  expectNoChanges,
  journalEnd,
  lab,
  mutations,
  on,
  state,
  until,
  up,
  STACK,
} from "./lab";
import type { Started } from "./lab";
import { SELECTION, sampled } from "../selection";

const site = new SiteCopy();
const gate = new Gate("hv2");
const kw7 = {
  hypervisor: "hv2",
  profile: "worker",
  ip: "198.18.0.37",
  mac: "02:00:00:00:00:37",
  volumes: { var: { size: "64MiB", mountPoint: "/var/lib/data", onDelete: "delete" } },
};
const there = { "vms.kw7": kw7 };
/** What a failed test may leave on the host without an entry in the state. */
const LEFT = ["/var/lib/microvms/kw7"]
  .concat(["volumes/kw7.var.json", "trash/kw7.*"].map((path) => `/var/lib/pulumi-microvm/${path}`))
  .join(" ");
const changed = { "vms.kw7": { ...kw7, memory: "208MiB" } };

beforeAll(async () => {
  await site.converge();
  await gate.install();
});
beforeEach(async () => {
  await gate.open();
  await lab(["exec", "pulumi", "cancel", "--yes", STACK]);
  await takeBack();
  await site.reset();
  await up();
  await on("hv2", `rm -rf ${LEFT}`);
});
afterAll(async () => {
  await gate.remove();
  await takeBack();
  await site.reset();
  await up();
  await on("hv2", `rm -rf ${LEFT}`);
  await site.release();
});

/** Adopts what a failed run left on the host without an entry in the state. */
async function takeBack(): Promise<void> {
  const isThere = (await on("hv2", "ls /var/lib/pulumi-microvm/vms")).includes("kw7");
  if (isThere && !(await state()).has("MicroVm kw7")) {
    await site.set(there);
    await up();
  }
}

/** How to stop a run that waits at the gate. `ends`: the run ends before the gate opens. */
interface Cut {
  act: (running: Started) => Promise<unknown>;
  ends: boolean;
}

/** Stops a run at its mutations, each time from the same start. Returns the number of mutations. */
async function cutAtEachStep(table: string, from: object, to: object, cut: Cut): Promise<number> {
  await reset(from);
  await gate.stopAt(NEVER);
  await site.set({ ...to });
  await up();
  const last = await gate.passed();
  const steps = Array.from({ length: last }, (_, index) => index + 1);
  for (const step of sampled(table, steps, 1)) {
    await reset(from);
    await cutAt(step, to, cut);
  }
  return last;
}

async function reset(to: object): Promise<void> {
  await site.set({ ...to });
  await up();
  await on("hv2", "[ -e /var/lib/pulumi-microvm/vms/kw7.json ] || rm -rf /var/lib/microvms/kw7");
}

/** Stops a run at one mutation, and then converges what it left. */
async function cutAt(step: number, to: object, cut: Cut): Promise<void> {
  const end = await journalEnd("hv2");
  await gate.stopAt(step);
  await site.set({ ...to });
  const running = startUp();
  // The step is part of the value, so that a failed test reports it.
  expect({ step, reached: await gate.reached(running) }).toEqual({ step, reached: true });
  const plugins = processesBelow(running.pid, PROVIDER);
  expect(plugins.length).toBeGreaterThan(0);
  await cut.act(running);
  if (cut.ends) expect((await running.ended).code).not.toBe(0);
  await gate.open();
  const { code, text } = await running.ended;
  if (!cut.ends && code !== 0) throw new Error(`the run did not continue: ${text}`);
  await gone(plugins);
  await lab(["exec", "pulumi", "cancel", "--yes", STACK]);
  if (cut.ends) await up();
  await expectNoChanges();
  await expectOnce(end);
}

/** The journal contains each mutation of the VM once. */
async function expectOnce(end: string): Promise<void> {
  const lines = (await mutations("hv2", end)).filter((line) => line.includes("kw7"));
  expect(lines.length).toBeGreaterThan(0);
  expect(lines).toEqual([...new Set(lines)]);
}

const killed = (text: string): Cut => ({
  act: (running) => gone(signal(running, text, "SIGKILL")),
  ends: true,
});
const CTRL_C: Cut = {
  act: (running) => Promise.resolve(signal(running, ENGINE, "SIGINT")),
  ends: true,
};
const CTRL_C_TWICE: Cut = {
  act: async (running) => {
    signal(running, ENGINE, "SIGINT");
    // Two signals at once could count as one. The process may have ended after the first.
    await new Promise((wake) => setTimeout(wake, 50));
    for (const pid of processesBelow(running.pid, ENGINE)) interrupt(pid);
  },
  ends: true,
};
const LINKS_CUT: Cut = { act: () => cutLinks("hv2"), ends: false };

/** Steps of a create: the volume, and the start of the VM. */
const FIRST_AND_LAST = [1, 8];
const firstOrLast = (table: string): number[] => sampled(table, FIRST_AND_LAST, 1);

describe(`the provider is killed (${SELECTION})`, () => {
  test("at each step of a create", async () => {
    expect(await cutAtEachStep("create", {}, there, killed(PROVIDER))).toBe(8);
  }, 1_200_000);

  test("at each step of an update", async () => {
    const steps = await cutAtEachStep("update", there, changed, killed(PROVIDER));
    expect(steps).toBeGreaterThanOrEqual(2);
  }, 1_200_000);

  test("at each step of a live switch", async () => {
    const switched = { "vms.kw7": { ...kw7, network: { nameservers: ["198.18.0.53"] } } };
    const steps = await cutAtEachStep("live switch", there, switched, killed(PROVIDER));
    expect(steps).toBeGreaterThanOrEqual(3);
    expect(await on("kw7", "cat /etc/resolv.conf")).toContain("198.18.0.53");
  }, 1_200_000);

  test("at the first step of growing a volume", async () => {
    const stopped = (size: string): object => ({
      "vms.kw7": { ...kw7, running: false, volumes: { var: { ...kw7.volumes.var, size } } },
    });
    await site.set({ ...stopped("64MiB") });
    await up();
    await cutAt(1, stopped("72MiB"), killed(PROVIDER));
    expect(await on("hv2", "stat -c %s /var/lib/microvms/kw7/var.img")).toBe(
      String(72 * 1024 ** 2),
    );
  }, 400_000);

  const notRunning = { "vms.kw7": { ...kw7, running: false } };
  const kept = (onDelete: string): object => ({
    "vms.kw7": { ...kw7, volumes: { var: { ...kw7.volumes.var, onDelete } } },
  });

  const ONE_STEP: [string, object, object, string][] = [
    ["stopping a VM", there, notRunning, "stopping kw7"],
    ["disabling the start at boot", there, notRunning, "not starting kw7 at boot"],
    ["starting a stopped VM", notRunning, there, "starting kw7 at boot from now on"],
    ["moving a volume to the trash", kept("trash"), {}, "moving volume kw7.var"],
    ["retaining a volume", kept("retain"), {}, "keeping volume kw7.var"],
  ];
  test.each(sampled("one step", ONE_STEP, 1))(
    "at %s",
    async (_, from, to, text) => {
      await site.set({ ...from });
      await up();
      await site.set({ ...to });
      await killedAt(gate, text);
      await expectNoChanges();
      // Takes the retained volume back, so that the test can delete it.
      await site.set(there);
      await up();
    },
    400_000,
  );

  test("at each step of a delete", async () => {
    const steps = await cutAtEachStep("delete", there, {}, killed(PROVIDER));
    expect(steps).toBeGreaterThanOrEqual(3);
  }, 1_200_000);
});

test(`the run continues after lost connections (${SELECTION})`, async () => {
  expect(await cutAtEachStep("links", {}, there, LINKS_CUT)).toBe(8);
}, 1_200_000);

test.each(firstOrLast("Ctrl-C once"))(
  `the next up continues after one Ctrl-C at step %i (${SELECTION})`,
  async (step) => {
    await cutAt(step, there, CTRL_C);
  },
  400_000,
);

test.each(firstOrLast("Ctrl-C twice"))(
  `the engine ends at once after two Ctrl-C at step %i (${SELECTION})`,
  async (step) => {
    await cutAt(step, there, CTRL_C_TWICE);
  },
  400_000,
);

test.each(firstOrLast("the engine is killed"))(
  `the provider ends when the engine is killed at step %i (${SELECTION})`,
  async (step) => {
    await cutAt(step, there, killed(ENGINE));
  },
  400_000,
);

test("the run continues after a restart of sshd", async () => {
  const restarted: Cut = { act: () => cutLinks("hv2", "systemctl restart ssh"), ends: false };
  await cutAt(8, there, restarted);
}, 400_000);

test.each(firstOrLast("the host is rebooted"))(
  `the next up continues after a reboot of the host at step %i (${SELECTION})`,
  async (step) => {
    await gate.stopAt(step);
    await site.set(there);
    const running = startUp();
    expect(await gate.reached(running)).toBe(true);
    const { code, text } = await lab(["reboot", "hv2"]);
    if (code !== 0) throw new Error(text);
    await running.ended;
    await until("hv2 answers", 120, () => on("hv2", "true").then(() => true));
    await up();
    expect(await on("kw7", "hostname")).toBe("kw7");
    await expectNoChanges();
  },
  400_000,
);

describe("the provider is killed while a host", () => {
  test("is released, and while it is claimed again", async () => {
    await killedAt(gate, "releasing this host", "destroy");
    expect([...(await state()).keys()]).toEqual([]);
    await killedAt(gate, "claiming this host");
    await expectNoChanges();
  }, 400_000);
});
