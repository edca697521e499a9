/** A running guest gets a new system: live if possible, with a rollback if the switch fails. */
import {
  FlakeCopy,
  SiteCopy,
  bootId,
  expectNoChanges,
  failingUp,
  journalEnd,
  mutations,
  on,
  pulumi,
  state,
  until,
  up,
  STACK,
} from "./lab";
import { SELECTION, sampled } from "../selection";
import { ENGINE, PROVIDER, gone, processesBelow, signal, startUp } from "./kill";

const site = new SiteCopy();
const flake = new FlakeCopy();
const base = { flake: flake.reference };
const VMS = ["kc1", "kw1", "kw2"];

beforeAll(() => site.converge(base));
afterAll(async () => {
  await site.restore();
  flake.remove();
});

const boots = (): Promise<string[]> => Promise.all(VMS.map(bootId));
const systemOf = (vm: string): Promise<string> => on(vm, "readlink -f /run/current-system");
const currentOf = (vm: string): Promise<string> =>
  on("hv1", `readlink /var/lib/microvms/${vm}/current`);

async function outputsOf(vm: string): Promise<Record<string, unknown> | undefined> {
  return (await state()).get(`MicroVm ${vm}`)?.outputs;
}

async function previewText(): Promise<string> {
  const { code, text } = await pulumi("preview", STACK);
  expect(code).toBe(0);
  return text;
}

test("a changed package switches all guests live, as the preview announced", async () => {
  const before = await boots();
  const end = await journalEnd("hv1");
  flake.setPackages({ "lab-app": "1.1", "lab-tool": "3" });
  const text = await previewText();
  for (const vm of VMS) {
    expect(text).toContain(`${vm}: live switch, it keeps running: the system changes`);
    expect(text).toMatch(new RegExp(`${vm}: closure .*lab-app 1\\.0 -> 1\\.1, \\+ lab-tool 3`));
  }
  expect(await mutations("hv1", end)).toEqual([]);

  await up();
  expect(await boots()).toEqual(before);
  for (const vm of VMS) {
    expect(await on(vm, "systemctl show --property=Description lab-app")).toContain("lab-app 1.1");
    expect(await outputsOf(vm)).toMatchObject({ stale: false, status: "ready" });
    expect((await outputsOf(vm))?.["system"]).toBe(await systemOf(vm));
  }
  const switched = (await mutations("hv1", end)).filter((line) => line.startsWith("switching"));
  expect(switched).toHaveLength(2);
  await expectNoChanges();

  // The VM also starts with the system to which it was switched.
  const system = await systemOf("kw1");
  await site.set({ ...base, "vms.kw1.restart": "once" });
  await up();
  expect(await systemOf("kw1")).toBe(system);
  expect(await bootId("kw1")).not.toBe(before[1]);
  await expectNoChanges();
}, 400_000);

test("changed memory restarts only the VMs with that memory, and the reason is shown", async () => {
  await site.set(base);
  await up();
  const before = await boots();
  await site.set({ ...base, "profiles.worker.memory": "208MiB" });
  const text = await previewText();
  expect(text).toContain("kw1: restarts: the hardware changes");
  expect(text).toContain("kw2: restarts: the hardware changes");
  expect(text).not.toMatch(/kc1: (restarts|live|closure)/);
  await up();
  const after = await boots();
  expect(after.map((boot, i) => boot === before[i])).toEqual([true, false, false]);
  await expectNoChanges();
}, 400_000);

describe("updatePolicy", () => {
  const policy = (how: string, nameserver: string): Record<string, unknown> => ({
    ...base,
    "vms.kw1.updatePolicy": how,
    "vms.kw1.network": { nameservers: [nameserver] },
  });

  test("restart: the VM restarts even if a live switch is possible", async () => {
    await site.set(base);
    await up();
    const before = await boots();
    await site.set(policy("restart", "198.18.0.53"));
    expect(await previewText()).toContain("kw1: restarts: updatePolicy is restart");
    await up();
    expect((await boots()).map((boot, i) => boot === before[i])).toEqual([true, false, true]);
    await expectNoChanges();
  }, 400_000);

  test("onNextBoot: the system is installed and runs after the VM's next start", async () => {
    const before = await boots();
    const running = await systemOf("kw1");
    await site.set(policy("onNextBoot", "198.18.0.54"));
    expect(await previewText()).toContain("kw1: installed, takes effect when it starts");
    await up();
    expect(await boots()).toEqual(before);
    expect(await systemOf("kw1")).toBe(running);
    expect(await outputsOf("kw1")).toMatchObject({ stale: true, system: running });
    await expectNoChanges();

    await on("hv1", "systemctl restart microvm@kw1");
    const started = await until("kw1 answers", 60, () => systemOf("kw1"));
    expect(started).not.toBe(running);
    expect(await on("kw1", "cat /etc/resolv.conf")).toContain("198.18.0.54");
    await up();
    expect(await outputsOf("kw1")).toMatchObject({ stale: false });
    await expectNoChanges();
  }, 400_000);
});

describe("a failed switch is rolled back", () => {
  const timeout = { ...base, "vms.kw1.startTimeout": "50s", "vms.kw1.switchTimeout": "20s" };

  beforeEach(async () => {
    flake.setFaults({});
    await site.set(timeout);
    await up();
  });

  /** `up` fails. The VM is on its previous runner and system, and the other VMs are unchanged. */
  async function expectBack(fault: string, how: string, cause: RegExp): Promise<void> {
    const before = await boots();
    const runner = await currentOf("kw1");
    const system = await systemOf("kw1");
    flake.setFaults({ kw1: fault });
    const text = await failingUp();
    expect(text).toMatch(cause);
    expect(text).toContain(`It was rolled back to ${runner} ${how}, and answers again`);

    expect(await currentOf("kw1")).toBe(runner);
    expect(await systemOf("kw1")).toBe(system);
    const stays = how === "without a restart";
    expect((await boots()).map((boot, i) => boot === before[i])).toEqual([true, stays, true]);
    expect(await outputsOf("kw1")).toMatchObject({ runner, system, status: "ready", stale: false });

    // Without the fault, the next `up` has nothing to do.
    flake.setFaults({});
    await up();
    await expectNoChanges();
    expect(await currentOf("kw1")).toBe(runner);
  }

  /** The guest cannot be reached. The error says so and contains the journal of its unit. */
  const UNREACHABLE = new RegExp(
    "kw1: [^\\n]*\\n[^]*The switch back in the guest failed: kw1 \\(198\\.18\\.0\\.\\d+\\) runs, " +
      "but its SSH server did not answer in \\d+ s: [^\\n]*\\n[^]*\\n {4,}\\S",
  );

  const FAULTS: [string, string, string, RegExp][] = [
    [
      "exits non-zero",
      "echo no room for it; exit 3",
      "without a restart",
      /exit code 2: the activation script failed: .*no room for it/s,
    ],
    [
      "hangs",
      "sleep 3600",
      "without a restart",
      /the switch to \S+ failed: it did not end within 20 s/,
    ],
    // networkd is stopped, because it would enable the link again at the end of the switch.
    [
      "takes the guest's network down",
      "systemctl stop systemd-networkd.service systemd-networkd.socket; ip link set host0 down",
      "by a restart",
      UNREACHABLE,
    ],
    ["stops the guest's sshd", "systemctl stop ssh", "by a restart", UNREACHABLE],
  ];
  test.each(sampled("failed switches", FAULTS, 2))(
    `if it %s (${SELECTION})`,
    async (_, fault, how, cause) => {
      await expectBack(fault, how, cause);
    },
    400_000,
  );
});

test("a switch that cannot log in restarts nothing, and the next up does it", async () => {
  flake.setFaults({});
  await site.set(base);
  await up();
  const before = await boots();
  const runner = await currentOf("kw1");
  // sshd does not take keys from a file that others may write.
  await on("kw1", "chmod 0666 /root/.ssh/authorized_keys");
  await site.set({ ...base, "vms.kw1.network": { nameservers: ["198.18.0.56"] } });
  const text = await failingUp();
  expect(text).toContain("kw1: the live switch was not begun, the guest was not touched");
  expect(text).toContain("the host refused every key for user root");
  expect(await on("hv1", "cat /var/lib/pulumi-microvm/vms/kw1.json")).toContain('"phase":"ready"');
  expect(await currentOf("kw1")).toBe(runner);
  const init = "$(pgrep -P $(systemctl show -P MainPID microvm@kw1))";
  await on("hv1", `nsenter -t ${init} -m chmod 0600 /root/.ssh/authorized_keys`);
  expect(await boots()).toEqual(before);
  await up();
  expect(await boots()).toEqual(before);
  expect(await on("kw1", "cat /etc/resolv.conf")).toContain("198.18.0.56");
  await expectNoChanges();
}, 400_000);

/** Starts an `up` and waits until it is in kw1's live switch. */
async function inTheMiddle(): Promise<ReturnType<typeof startUp>> {
  flake.setFaults({ kw1: "sleep 12" });
  const running = startUp();
  await until("the switch", 120, async () => {
    const units = await on(
      "kw1",
      "systemctl list-units --plain --no-legend 'pulumi-microvm-switch-*.service'",
    );
    return units.includes("pulumi-microvm-switch-") ? true : undefined;
  });
  return running;
}

test("after the operator is killed during a switch, the next up continues live", async () => {
  flake.setFaults({});
  await site.set(base);
  await up();
  const before = await boots();
  const running = await inTheMiddle();
  const plugins = processesBelow(running.pid, PROVIDER);
  for (const pid of plugins) process.kill(pid, "SIGKILL");
  expect((await running.ended).code).not.toBe(0);
  await gone(plugins);
  expect(plugins.length).toBeGreaterThan(0);

  await up();
  expect(await boots()).toEqual(before);
  expect(await outputsOf("kw1")).toMatchObject({ status: "ready", stale: false });
  expect((await outputsOf("kw1"))?.["system"]).toBe(await systemOf("kw1"));
  await expectNoChanges();
}, 400_000);

test("without a next up, the guest rolls back by itself", async () => {
  flake.setFaults({});
  await site.set({ ...base, "vms.kw1.switchTimeout": "20s" });
  await up();
  const before = await boots();
  const system = await systemOf("kw1");
  const running = await inTheMiddle();
  await gone([...signal(running, PROVIDER, "SIGKILL"), ...signal(running, ENGINE, "SIGKILL")]);
  expect((await running.ended).code).not.toBe(0);
  const isBefore = async (): Promise<boolean> => (await systemOf("kw1")) === system;
  await until("the switch's end", 60, async () => ((await isBefore()) ? undefined : true));
  await until("the way back", 150, async () => ((await isBefore()) ? true : undefined));
  expect(await boots()).toEqual(before);

  await site.converge(base);
  expect(await systemOf("kw1")).not.toBe(system);
  expect(await boots()).toEqual(before);
  expect(await outputsOf("kw1")).toMatchObject({ status: "ready", stale: false });
  expect(
    await on("kw1", "systemctl list-units --all --plain --no-legend 'pulumi-microvm-*.timer'"),
  ).toBe("");
  await expectNoChanges();
}, 400_000);

test("a guest that runs another system is drift, and up switches it back live", async () => {
  flake.setFaults({});
  await up();
  const before = await boots();
  const wanted = await systemOf("kw1");
  const other = `/nix/store/${"0".repeat(32)}-other`;
  await on("kw1", `ln -sfn ${other} /etc/pulumi-microvm/system`);
  expect(await previewText()).toContain("kw1: live switch");
  await up();
  expect(await boots()).toEqual(before);
  expect(await outputsOf("kw1")).toMatchObject({ stale: false, system: wanted });
  await expectNoChanges();
}, 400_000);
