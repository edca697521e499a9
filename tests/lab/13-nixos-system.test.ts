/**
 * A hypervisor's own system: a new login confirms a switch, otherwise the host rolls back. The
 * systems come from a copy of the lab's flake with another `hypervisor/start.sh`.
 */
import {
  expectNoChanges,
  failingUp,
  journalEnd,
  mutations,
  on,
  preview,
  pulumi,
  state,
  until,
  up,
  STACK,
} from "./lab";
import { ENGINE, PROVIDER, gone, signal, startUp } from "./kill";
import {
  DEFAULT_ENTRY,
  GOOD,
  OwnSystem,
  awaitVms,
  bootOf,
  booted,
  current,
  guests,
} from "./ownSystem";

const { site, flake, want, setKernel, use, release } = new OwnSystem();

beforeAll(use);
afterAll(release);

test("a new login confirms a switch, which becomes the default; VMs keep running", async () => {
  const before = await guests();
  const first = await current();
  await want(`# first\n${GOOD}`);
  expect(await preview()).toMatchObject({ "NixosSystem hv1": { op: "create" } });
  expect(await current()).toBe(first);

  const end = await journalEnd("hv1");
  await up();
  const system = await current();
  expect(system).toMatch(/^\/nix\/store\/.*-lab-hypervisor-hv1$/);
  expect(system).not.toBe(first);
  expect(await on("hv1", "readlink -f /nix/var/nix/profiles/system")).toBe(system);
  expect(await on("hv1", DEFAULT_ENTRY)).toContain(`${system}/init`);
  expect(await mutations("hv1", end)).toEqual([
    `switching from ${first} to ${system}`,
    `keeping ${system}: a fresh login reached it`,
    `setting the system profile to ${system}`,
    `making ${system} the default of the next boot`,
  ]);
  expect((await state()).get("NixosSystem hv1")?.outputs).toMatchObject({
    toplevel: system,
    profile: system,
    status: "ready",
    rolledBack: "",
    rebootRequired: false,
  });
  expect(await guests()).toEqual(before);
  expect(
    await on("hv1", "systemctl list-units --all --plain --no-legend 'pulumi-microvm-*.timer'"),
  ).toBe("");
  await expectNoChanges();
});

describe("a bad system is rolled back", () => {
  let before: string;
  let boots: string[];
  beforeAll(async () => {
    await want(`# the previous system\n${GOOD}`);
    await up();
    before = await current();
    boots = await guests();
  });

  /** The host has its previous system and generation, and no trial; its VMs kept running. */
  async function expectBack(): Promise<void> {
    expect(await current()).toBe(before);
    expect(await on("hv1", "readlink -f /nix/var/nix/profiles/system")).toBe(before);
    expect(await on("hv1", "ls /var/lib/pulumi-microvm/systems")).not.toContain("trial");
    expect(await guests()).toEqual(boots);
  }

  async function expectToldBack(): Promise<void> {
    await expectBack();
    const outputs = (await state()).get("NixosSystem hv1")?.outputs;
    expect(outputs).toMatchObject({ toplevel: before, profile: before, status: "ready" });
    expect(outputs?.["rolledBack"]).toMatch(/-lab-hypervisor-hv1$/);
    expect(outputs?.["rolledBack"]).not.toBe(before);
  }

  test("whose switch-to-configuration fails; the error explains the exit code", async () => {
    await want(`echo the disk is on fire >&2; exit 1\n`);
    const text = await failingUp();
    expect(text).toMatch(/exit code 4: units failed.*The host rolled back to/s);
    expect(text).toContain(before);
    await expectToldBack();
  });

  test("whose switch hangs", async () => {
    await want("sleep infinity\n");
    expect(await failingUp()).toMatch(/did not end within 10 s.*The host rolled back to/s);
    await expectToldBack();
  });

  test("that takes the bridge down", async () => {
    await want("ip link set br0 down\n");
    expect(await failingUp()).toMatch(/was not confirmed: .*The host rolled back to/s);
    await expectToldBack();
  });

  test("that stops sshd", async () => {
    await want("systemctl stop ssh.service\n");
    expect(await failingUp()).toMatch(/was not confirmed: .*The host rolled back to/s);
    await expectToldBack();
  });

  test("whose operator is killed during the switch", async () => {
    const waits = "timeout 60 sh -c 'until [ -e /run/killed ]; do sleep 0.2; done'";
    const bad = `# nobody confirms this system\n${GOOD}${waits}\n`;
    await on("hv1", "rm -f /run/killed");
    await want(bad, { switchTimeout: "60s" });
    const running = startUp();
    await until("the switch", 100, async () =>
      (await on("hv1", "cat /var/lib/pulumi-microvm/systems/trial 2>/dev/null || true")) === ""
        ? undefined
        : true,
    );
    const killed = [...signal(running, PROVIDER, "SIGKILL"), ...signal(running, ENGINE, "SIGKILL")];
    await gone(killed);
    await on("hv1", "touch /run/killed");
    expect((await running.ended).code).not.toBe(0);
    await until("the rollback of the host", 60, async () =>
      (await on("hv1", "ls /var/lib/pulumi-microvm/systems")).includes("trial") ? undefined : true,
    );
    await expectBack();

    // The site still has the bad system. Preview and refresh show the running system.
    await site.use();
    await want(bad);
    expect((await pulumi("preview", STACK)).text).toMatch(
      /hv1: the switch to \/nix\/store\/\S+-lab-hypervisor-hv1 failed and was rolled back/,
    );
    expect(await pulumi("refresh", "--yes", "--skip-preview", STACK)).toMatchObject({
      code: 0,
    });
    await expectToldBack();
    await want(`# the previous system\n${GOOD}`);
    await up();
    expect(await current()).toBe(before);
    await expectNoChanges();
  });
});

describe("a system with another kernel", () => {
  beforeAll(async () => {
    await want(GOOD);
    await up();
  });
  afterEach(() => flake.reset());

  test("is activated without a reboot, and a warning says that a reboot is required", async () => {
    const boot = await bootOf();
    const before = await guests();
    setKernel("lab kernel 2");
    await want(GOOD);
    expect((await pulumi("preview", STACK)).text).toMatch(
      /hv1: system .* -> .*; kernel or initrd changes: reboot the host yourself/,
    );
    expect(await up()).toMatch(/warning: hv1: reboot required/);
    expect((await state()).get("NixosSystem hv1")?.outputs).toMatchObject({ rebootRequired: true });
    const { text } = await pulumi("preview", "--expect-no-changes", STACK);
    expect(text).toMatch(/warning: hv1: reboot required/);
    expect(await bootOf()).toBe(boot);
    expect(await guests()).toEqual(before);
  });

  test("is booted with rebootPolicy: ifRequired; VMs stop in order and start again", async () => {
    const boot = await bootOf();
    const before = await guests();
    const end = await journalEnd("hv1");
    setKernel("lab kernel 2");
    await want(GOOD, { rebootPolicy: "ifRequired" });
    expect((await pulumi("preview", STACK)).text).toMatch(
      /hv1: .*reboots: kernel or initrd changes; its VMs stop/,
    );
    await up();
    expect(await bootOf()).not.toBe(boot);
    expect(await booted()).toBe(await current());
    expect(await on("hv1", DEFAULT_ENTRY)).toContain(`${await current()}/init`);
    const stops = (await mutations("hv1", end)).filter((line) => line.startsWith("stopping "));
    // VMs without a role stop in the order of their names.
    expect(stops).toEqual(["stopping kc1 for the reboot", "stopping kw1 for the reboot"]);
    await awaitVms();
    const after = await until("the guests", 60, guests);
    expect(after.every((id) => !before.includes(id))).toBe(true);
    await expectNoChanges();
  });

  test("is not booted if a VM does not build: neither VMs nor the host stop", async () => {
    const boot = await bootOf();
    const before = await current();
    const guestsBefore = await guests();
    const end = await journalEnd("hv1");
    setKernel("lab kernel 5");
    flake.changeRunners("case $machineName in kw1) echo no such compiler >&2; exit 3 ;; esac");
    await want(GOOD, { rebootPolicy: "ifRequired" });
    const text = await failingUp();
    expect(text).toMatch(/the VMs of hv1: building on this machine: .*no such compiler/s);
    const told = text.slice(text.indexOf("\nDiagnostics:"));
    expect(told.match(/building on this machine:/g)).toHaveLength(1);
    expect(await current()).toBe(before);
    expect(await bootOf()).toBe(boot);
    expect(await guests()).toEqual(guestsBefore);
    expect(await mutations("hv1", end)).toEqual([]);
    flake.reset();
    await want(GOOD, { rebootPolicy: "ifRequired" });
    await up();
    await expectNoChanges();
  });

  /** The host runs the previous system, which is still the default. */
  async function expectComeBack(before: string, cause: RegExp): Promise<void> {
    expect(await failingUp()).toMatch(cause);
    expect(await current()).toBe(before);
    expect(await booted()).toBe(before);
    expect(await on("hv1", "readlink -f /nix/var/nix/profiles/system")).toBe(before);
    expect(await on("hv1", DEFAULT_ENTRY)).toContain(`${before}/init`);
    expect((await state()).get("NixosSystem hv1")?.outputs).toMatchObject({
      toplevel: before,
      booted: before,
      profile: before,
      status: "ready",
    });
    await awaitVms();
  }

  test("that does not boot: the host comes back on the previous system", async () => {
    await want(GOOD, { rebootPolicy: "ifRequired" });
    await up();
    const before = await current();
    setKernel("lab kernel 3");
    flake.write("hypervisor/init.sh", "#!/bin/sh\necho no root >&2\nexit 1\n");
    await want(GOOD, { rebootPolicy: "ifRequired" });
    await expectComeBack(before, /the boot of .* failed; it came back on /);
  });

  test("that boots without SSH: the host rolls back", async () => {
    const before = await current();
    setKernel("lab kernel 4");
    const isBooted =
      '[ "$(readlink -f /run/booted-system)" = "$(readlink -f /run/current-system)" ]';
    const mask = "systemctl mask --runtime --now ssh.service; exit";
    const bad = `if ${isBooted}; then ${mask}; fi\n${GOOD}`;
    await want(bad, { rebootPolicy: "ifRequired", bootTimeout: "20s" });
    await expectComeBack(before, /the boot of .* failed; it came back on /);
  });
});
