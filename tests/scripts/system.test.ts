/**
 * A switch of the host's own system that is stopped at any point: a rollback is always possible.
 */
import {
  existsSync,
  readFileSync,
  readdirSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { system } from "./operations";
import { Sandbox } from "./sandbox";
import { SELECTION, sampledSteps } from "../selection";

/** The number of sampled steps of a script, in addition to the first and the last. */
const BETWEEN = 6;

jest.setTimeout(180_000);

let box: Sandbox;
beforeEach(() => (box = new Sandbox()));
afterEach(() => box.remove());

const ROLL_BACK = { step: "roll-back" };
const armed = (): boolean =>
  readdirSync(box.path("units")).some((unit) =>
    /^pulumi-microvm-(rollback|unconfirmed)\.timer$/.test(unit),
  );

/** Runs the switch, kills it before one of its steps each time, and checks the result. */
function killedAnywhere(test: string, look: (killAt: number) => void): void {
  system(box);
  box.save();
  const { code, steps } = box.run("system-switch", system(box));
  expect(code).toBe(0);
  expect(steps).toBeGreaterThan(8);
  for (const killAt of sampledSteps(test, steps, BETWEEN)) {
    box.restore();
    expect(box.run("system-switch", system(box), killAt)).toMatchObject({ killed: true });
    look(killAt);
  }
}

test(`no other system runs without a timer for the rollback (${SELECTION})`, () => {
  let switched = 0;
  killedAnywhere("timer", (killAt) => {
    if (box.running().current === "a") return;
    switched += 1;
    expect({ killAt, armed: armed() }).toEqual({ killAt, armed: true });
  });
  expect(switched).toBeGreaterThan(0);
});

test(`after a kill at any step, the timer restores the previous system (${SELECTION})`, () => {
  killedAnywhere("roll back", (killAt) => {
    expect(box.run("system-switch", system(box, ROLL_BACK)).code).toBe(0);
    expect({ killAt, ...box.running() }).toEqual({ killAt, current: "a", phase: "none" });
  });
});

test(`after a kill at any step, the next run switches again (${SELECTION})`, () => {
  killedAnywhere("next run", (killAt) => {
    expect(box.run("system-switch", system(box)).code).toBe(0);
    expect({ killAt, ...box.running() }).toEqual({ killAt, current: "b", phase: "switching" });
  });
});

const switches = (): number =>
  readFileSync(box.path("journal"), "utf8").split("switching from").length - 1;

test(`a system that waits for a login is not switched again; its timer runs (${SELECTION})`, () => {
  expect(box.run("system-switch", system(box)).code).toBe(0);
  box.save();
  const { steps } = box.run("system-switch", system(box));
  expect(steps).toBeGreaterThan(2);
  for (const killAt of sampledSteps("waits for a login", steps, BETWEEN)) {
    box.restore();
    expect(box.run("system-switch", system(box), killAt).killed).toBe(true);
    expect(armed()).toBe(true);
    expect(box.run("system-switch", system(box)).code).toBe(0);
    expect(box.running()).toEqual({ current: "b", phase: "switching" });
    expect(switches()).toBe(1);
  }
  expect(box.run("system-confirm", system(box)).code).toBe(0);
});

test("a system whose switch did not finish is switched again", () => {
  expect(box.run("system-switch", system(box)).code).toBe(0);
  const [phase, tried, previous, boot] = box.trial();
  box.write("state/systems/trial", `${[phase, tried, previous, boot].join(" ")}\n`);
  expect(box.run("system-switch", system(box)).code).toBe(0);
  expect(switches()).toBe(2);
});

test("a system that already runs becomes the default, also after a kill in between", () => {
  const parameters = system(box);
  const current = box.path("systems", "current-system");
  rmSync(current);
  symlinkSync(box.path("store", "b"), current);
  box.save();
  const { code, steps } = box.run("system-default", parameters);
  expect({ code, ...box.running() }).toEqual({ code: 0, current: "b", phase: "none" });
  let between = 0;
  for (let killAt = 1; killAt <= steps; killAt++) {
    box.restore();
    expect(box.run("system-default", parameters, killAt).killed).toBe(true);
    const hasProfile = readlinkSync(box.path("profiles", "system")) === box.path("store", "b");
    if (!hasProfile || existsSync(box.path("systems", "loader", "loader.conf"))) continue;
    between += 1;
    expect(box.running().phase).toBe("confirmed");
  }
  expect(between).toBeGreaterThan(0);
});

test(`a rollback that is killed at any step is finished by the next one (${SELECTION})`, () => {
  expect(box.run("system-switch", system(box)).code).toBe(0);
  box.save();
  const { steps } = box.run("system-switch", system(box, ROLL_BACK));
  expect(steps).toBeGreaterThan(3);
  for (const killAt of sampledSteps("the way back", steps, BETWEEN)) {
    box.restore();
    expect(box.run("system-switch", system(box, ROLL_BACK), killAt).killed).toBe(true);
    expect(box.run("system-switch", system(box, ROLL_BACK)).code).toBe(0);
    expect({ killAt, ...box.running() }).toEqual({ killAt, current: "a", phase: "none" });
    expect(armed()).toBe(false);
  }
});

test.each([
  [1, "exit code 1"],
  [2, "the activation script failed"],
  [4, "units failed"],
  [11, "another switch holds"],
  [100, "reboot instead"],
])("exit code %d causes a rollback at once and is explained", (code, meaning) => {
  const ran = box.run("system-switch", system(box, {}, "lab", code));
  expect(ran.code).toBe(1);
  expect(ran.output).toContain(meaning);
  expect(ran.output).toContain("The host rolled back to");
  expect(box.running()).toEqual({ current: "a", phase: "none" });
  expect(existsSync(box.path("state", "systems", "rolled-back"))).toBe(true);
});

test("a switch that still runs is stopped before the rollback, because it holds the lock", () => {
  const parameters = system(box);
  expect(box.run("system-switch", parameters).code).toBe(0);
  const running = box.path("units", "pulumi-microvm-switch-9-1.service");
  writeFileSync(running, "");
  const file = "store/a/bin/switch-to-configuration";
  const locked = `#!/bin/sh\n[ ! -e ${running} ] || exit 11\n`;
  box.write(file, readFileSync(box.path(file), "utf8").replace("#!/bin/sh\n", locked));
  const ran = box.run("system-switch", { ...parameters, ...ROLL_BACK });
  expect(ran).toMatchObject({ code: 0 });
  expect(box.running()).toEqual({ current: "a", phase: "none" });
});

test("a system that cannot be switched is refused before a timer is armed", () => {
  const parameters = system(box);
  rmSync(box.path("store", "b", "bin", "switch-to-configuration"));
  const ran = box.run("system-switch", parameters);
  expect(ran.code).toBe(1);
  expect(ran.output).toContain("do not set system.switch.enable = false");
  expect(box.running()).toEqual({ current: "a", phase: "none" });
  expect(armed()).toBe(false);
});

describe("a reboot is refused", () => {
  const rebooting = (): boolean =>
    readdirSync(box.path("units")).some((unit) => unit.startsWith("pulumi-microvm-reboot"));

  test.each<[string, (files: Sandbox) => void, string]>([
    [
      "without systemd-boot",
      (files) => files.write("bin/bootctl", "#!/bin/sh\nexit 1\n"),
      "systemd-boot is not installed on this host",
    ],
    [
      "into a system that cannot end a boot on trial",
      (files) => rmSync(files.path("store/b/etc/systemd/system/pulumi-microvm-boot-trial.service")),
      "has no unit pulumi-microvm-boot-trial",
    ],
    [
      "if the previous system does not become the default",
      (files) =>
        files.write(
          "store/a/bin/switch-to-configuration",
          '#!/bin/sh\nmkdir -p "$BOX/systems/loader"\n' +
            'echo default nixos-generation-99.conf >"$BOX/systems/loader/loader.conf"\n',
        ),
      "boot.loader.systemd-boot.configurationLimit to 2 or more",
    ],
    [
      "on another stack's host",
      (files) => files.write("state/systems/nixos.json", '{"urn":"urn:other"}'),
      "belongs to urn:other",
    ],
  ])("%s", (_, spoil, cause) => {
    for (const name of ["switch", "confirm"]) box.run(`system-${name}`, system(box));
    const parameters = system(box);
    spoil(box);
    const ran = box.run("system-reboot", parameters);
    expect(ran.code).toBe(1);
    expect(ran.output).toContain(cause);
    expect(box.running()).toEqual({ current: "b", phase: "confirmed" });
    expect(rebooting()).toBe(false);
    expect(box.journal().filter((line) => line.includes("for the reboot"))).toEqual([]);
  });
});

test("a confirmed switch is not rolled back by a late timer", () => {
  expect(box.run("system-switch", system(box)).code).toBe(0);
  expect(box.run("system-confirm", system(box)).code).toBe(0);
  expect(box.run("system-switch", system(box, ROLL_BACK)).code).toBe(0);
  expect(box.running()).toEqual({ current: "b", phase: "confirmed" });
});

test("a switch that was rolled back cannot be confirmed", () => {
  expect(box.run("system-switch", system(box)).code).toBe(0);
  expect(box.run("system-switch", system(box, ROLL_BACK)).code).toBe(0);
  const ran = box.run("system-confirm", system(box));
  expect(ran.code).toBe(1);
  expect(ran.output).toContain("cannot be confirmed: its trial has ended");
});

test("a requested boot cannot be confirmed before it happens", () => {
  for (const name of ["switch", "confirm", "reboot"]) {
    expect(box.run(`system-${name}`, system(box))).toMatchObject({ code: 0 });
  }
  expect(box.running()).toEqual({ current: "b", phase: "booting" });
  expect(box.run("system-confirm", system(box)).code).toBe(1);
});

describe("the unit that ends a boot on trial", () => {
  const restarts = (): boolean =>
    box.journal().some((line) => line.includes("rebooting into the previous system"));
  const bootOnTrial = (): void => {
    for (const name of ["switch", "confirm", "reboot"]) {
      const parameters = system(box, { boot_seconds: "0" });
      expect(box.run(`system-${name}`, parameters)).toMatchObject({ code: 0 });
    }
  };

  test("reboots the host if nobody has confirmed it", () => {
    bootOnTrial();
    const [phase, tried, previous] = box.trial();
    box.write("state/systems/trial", `${[phase, tried, previous, "another-boot", 0].join(" ")}\n`);
    expect(box.run("boot-trial", {}).code).toBe(0);
    expect(restarts()).toBe(true);
  });

  test("does nothing in the boot that requested the trial", () => {
    bootOnTrial();
    expect(box.run("boot-trial", {}).code).toBe(0);
    expect(restarts()).toBe(false);
  });
});

test("if the rollback is impossible, another system can still be tried", () => {
  expect(box.run("system-switch", system(box)).code).toBe(0);
  const good = system(box);
  // The previous system cannot be activated any more.
  box.write("store/a/bin/switch-to-configuration", "#!/bin/sh\nexit 1\n");
  const failed = box.run("system-switch", { ...good, ...ROLL_BACK });
  expect(failed.code).toBe(1);
  expect(failed.output).toMatch(/the rollback to .* failed: exit code 1/);
  expect(box.running()).toEqual({ current: "b", phase: "rolling-back" });

  const other = { ...good, toplevel: box.makeSystem("c") };
  expect(box.run("system-switch", other).code).toBe(0);
  expect(box.running()).toEqual({ current: "c", phase: "switching" });
});
