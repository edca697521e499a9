/** Two operators at once, and two stacks on one host: one waits or is told, and nothing is done twice. */
import { rmSync } from "node:fs";
import { join } from "node:path";
import { Gate, startUp } from "./kill";
import {
  PROJECT,
  SiteCopy,
  expectNoChanges,
  journalEnd,
  mutations,
  on,
  pulumi,
  state,
  up,
} from "./lab";

const site = new SiteCopy();
const OTHER = "--stack=other";

beforeAll(async () => {
  await site.use();
  await up();
});
afterAll(async () => {
  await site.reset();
  await up();
  await expectNoChanges();
  await site.release();
});

describe("a second stack that claims the same hosts and VMs", () => {
  beforeAll(async () => {
    await run("stack", "init", "--no-select", "other");
    await run("config", "set", "site", site.file, OTHER);
  });
  afterAll(async () => {
    await run("stack", "rm", "--yes", "--force", "other");
    rmSync(join(PROJECT, ".site", "other"), { recursive: true, force: true });
  });

  async function run(...words: string[]): Promise<void> {
    const { code, text } = await pulumi(...words);
    if (code !== 0) throw new Error(text);
  }

  test.each([
    ["preview", ["preview"]],
    ["up", ["up", "--yes", "--skip-preview"]],
  ])("is told whose they are by %s, and nothing is touched", async (_, words) => {
    const ends = await Promise.all(["hv1", "hv2"].map(journalEnd));
    const { code, text } = await pulumi(...words, OTHER);
    expect(code).not.toBe(0);
    expect(text).toMatch(/this host belongs to urn:pulumi:lab::\S+::hv[12]/);
    expect(await mutations("hv1", ends[0] ?? "")).toEqual([]);
    expect(await mutations("hv2", ends[1] ?? "")).toEqual([]);
    await expectNoChanges();
  });
});

test("two operators of one stack at once: one converges, the other is told who holds it", async () => {
  const gate = new Gate("hv2");
  await gate.install();
  try {
    const end = await journalEnd("hv2");
    await site.set({ "vms.kw2.restart": "by one of two" });
    await gate.stopAt(1);
    const first = startUp();
    expect(await gate.reached(first)).toBe(true);
    const second = await pulumi("up", "--yes", "--skip-preview", "--stack=lab");
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

test("two that work on one host: the second waits for the host's lock, and says so", async () => {
  await on(
    "hv2",
    "systemd-run --quiet --unit=another-operator flock /run/pulumi-microvm/lock sleep infinity",
  );
  await site.set({ "vms.kw2.restart": "behind another" });
  const running = startUp();
  let ended = false;
  void running.ended.finally(() => (ended = true));
  try {
    await running.printed(/kw2 .*waiting for another operation on this host/);
    expect(ended).toBe(false);
  } finally {
    await on("hv2", "systemctl stop another-operator");
  }
  expect((await running.ended).code).toBe(0);
  await expectNoChanges();
});
