/**
 * The provider, the engine and the link are cut at each mutation of a VM's create, update and delete. The
 * next `up` converges, each mutation stands once in the host's journal, and no process is left.
 */
import { SiteCopy, expectNoChanges, lab, mutations, journalEnd, on, state, until, up } from "./lab";
import { ENGINE, Gate, PROVIDER, gone, processesBelow, signal, startUp } from "./kill";
import type { Started } from "./lab";

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
const changed = { "vms.kw7": { ...kw7, memory: "208MiB" } };

beforeAll(async () => {
  await site.use();
  await up();
  await gate.install();
});
beforeEach(async () => {
  await gate.open();
  await lab(["exec", "pulumi", "cancel", "--yes", "--stack=lab"]);
  await site.reset();
  await up();
  await on("hv2", "rm -rf /var/lib/microvms/kw7");
});
afterAll(async () => {
  await gate.remove();
  await site.reset();
  await up();
  await on("hv2", "rm -rf /var/lib/microvms/kw7");
  await site.release();
});

type Cut = (running: Started) => Promise<void>;

/** Cuts a run at each of its mutations in turn; how many there were. */
async function cutAtEachStep(from: object, to: object, cut: Cut): Promise<number> {
  for (let step = 1; ; step++) {
    await site.set({ ...from });
    await up();
    await on("hv2", "[ -e /var/lib/pulumi-microvm/vms/kw7.json ] || rm -rf /var/lib/microvms/kw7");
    const end = await journalEnd("hv2");
    await gate.stopAt(step);
    await site.set({ ...to });
    const running = startUp();
    if (!(await gate.reached(running))) {
      await gate.open();
      expect((await running.ended).code).toBe(0);
      return step - 1;
    }
    const plugins = processesBelow(running.pid, PROVIDER);
    await cut(running);
    await gate.open();
    await running.ended;
    await gone(plugins);
    await up();
    await expectNoChanges();
    await expectOnce(end);
  }
}

/** Each mutation of the VM stands once in the journal. */
async function expectOnce(end: string): Promise<void> {
  const lines = (await mutations("hv2", end)).filter((line) => line.includes("kw7"));
  expect(lines.length).toBeGreaterThan(0);
  expect(lines).toEqual([...new Set(lines)]);
}

const kill =
  (text: string): Cut =>
  async (running) => {
    await gone(signal(running, text, "SIGKILL"));
  };

describe("the provider is killed at each step", () => {
  test("of a create", async () => {
    expect(await cutAtEachStep({}, there, kill(PROVIDER))).toBeGreaterThanOrEqual(6);
  }, 1_200_000);

  test("of an update", async () => {
    expect(await cutAtEachStep(there, changed, kill(PROVIDER))).toBeGreaterThanOrEqual(2);
  }, 1_200_000);

  test("of a delete", async () => {
    expect(await cutAtEachStep(there, {}, kill(PROVIDER))).toBeGreaterThanOrEqual(3);
  }, 1_200_000);
});

/** One cut at a mutation in the middle of a create. */
async function cutOnce(cut: Cut): Promise<void> {
  const end = await journalEnd("hv2");
  await gate.stopAt(4);
  await site.set(there);
  const running = startUp();
  expect(await gate.reached(running)).toBe(true);
  const plugins = processesBelow(running.pid, PROVIDER);
  await cut(running);
  await gate.open();
  await running.ended;
  await gone(plugins);
  await lab(["exec", "pulumi", "cancel", "--yes", "--stack=lab"]);
  await up();
  expect(await on("kw7", "hostname")).toBe("kw7");
  await expectNoChanges();
  await expectOnce(end);
}

test("the engine is killed: the provider ends by itself, and the next up goes on", async () => {
  await cutOnce(async (running) => {
    await gone(signal(running, ENGINE, "SIGKILL"));
  });
}, 400_000);

test("Ctrl-C once: the engine cancels, and the next up goes on", async () => {
  await cutOnce((running) => {
    signal(running, ENGINE, "SIGINT");
    return Promise.resolve();
  });
}, 400_000);

test("Ctrl-C twice: the engine ends at once, and the next up goes on", async () => {
  await cutOnce(async (running) => {
    signal(running, ENGINE, "SIGINT");
    // Two signals at once would count as one.
    await new Promise((wake) => setTimeout(wake, 50));
    signal(running, ENGINE, "SIGINT");
  });
}, 400_000);

test("sshd is restarted and every link cut: the run itself goes on to its end", async () => {
  const end = await journalEnd("hv2");
  await gate.stopAt(4);
  await site.set(there);
  const running = startUp();
  expect(await gate.reached(running)).toBe(true);
  await on(
    "hv2",
    "systemd-run --quiet sh -c 'systemctl restart ssh; loginctl kill-user --signal=KILL root'",
  ).catch(() => undefined);
  await gate.open();
  expect((await running.ended).code).toBe(0);
  await expectNoChanges();
  await expectOnce(end);
}, 400_000);

test("the host is rebooted in the middle: the next up goes on", async () => {
  const end = await journalEnd("hv2");
  await gate.stopAt(4);
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
  expect((await mutations("hv2", end)).length).toBeGreaterThan(0);
  expect((await state()).get("MicroVm kw7")).toBeDefined();
}, 400_000);
