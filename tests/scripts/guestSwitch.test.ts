/** A live switch in a guest: it is confirmed, or a timer in the guest rolls it back. */
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { parseGuestFacts } from "../../provider/hosts/facts/guestFacts";
import { encodeParameters, script } from "../../provider/hosts/transport/script";
import { guestSystem } from "./operations";
import { MACHINE, NONCE, Sandbox } from "./sandbox";
import type { Ran } from "./sandbox";

const ROLLBACK = "pulumi-microvm-guest-rollback";
const UNCONFIRMED = "pulumi-microvm-guest-unconfirmed";
let box: Sandbox;
beforeEach(() => {
  box = new Sandbox();
  box.install(guestSystem(box, "a"));
  writeFileSync(box.path("registration"), "");
});
afterEach(() => box.remove());

type Parameters = Record<string, string>;

function parametersOf(toplevel: string, more: Parameters = {}): Parameters {
  return {
    toplevel,
    closure_info: toplevel === "" ? "" : box.root,
    reported: "no",
    by: "provider",
    system: "",
    switch_seconds: "20",
    confirm_seconds: "30",
    ...more,
  };
}

const switchTo = (toplevel: string, more: Parameters = {}, killAt = 0): Ran =>
  box.run("guest-switch", parametersOf(toplevel, more), killAt);
const goBack = (): Ran => switchTo("");
const confirm = (toplevel: string): Ran => box.run("guest-confirm", { toplevel });
const system = (name: string): string => guestSystem(box, name);
/** The timers that would roll back the switch. */
const timers = (): string[] =>
  [ROLLBACK, UNCONFIRMED].filter((name) => existsSync(box.path("units", `${name}.timer`)));
const armed = (): boolean => timers().length > 0;
const current = (): string => box.running().current;
/** How often switch-to-configuration ran. */
const switches = (): number => {
  const file = box.path("started");
  return existsSync(file) ? readFileSync(file, "utf8").trim().split("\n").length : 0;
};
/** The content of a file in the guest's /run. */
const note = (name: string): string | undefined => {
  const file = box.path("run", name);
  return existsSync(file) ? readFileSync(file, "utf8").trim() : undefined;
};

test("a confirmed switch remains, and no timer is left", () => {
  const toplevel = system("b");
  expect(switchTo(toplevel)).toMatchObject({ code: 0 });
  expect(armed()).toBe(true);
  expect(confirm(toplevel)).toMatchObject({ code: 0 });
  expect(armed()).toBe(false);
  expect(box.fire(ROLLBACK).code).toBe(0);
  expect(current()).toBe("b");
  expect(switches()).toBe(1);
});

test("an unconfirmed switch is rolled back by itself, also after a repeated switch", () => {
  expect(switchTo(system("b")).code).toBe(0);
  expect(switchTo(system("c")).code).toBe(0);
  expect(current()).toBe("c");
  expect(box.fire(ROLLBACK)).toMatchObject({ code: 0 });
  expect(current()).toBe("a");
  const late = confirm(box.path("store", "c"));
  expect(late).toMatchObject({ code: 1 });
  expect(late.output).toMatch(/the guest runs .*a, not .*c/);
});

test("a requested rollback leaves no timer, and a rollback that fails is retried", () => {
  expect(switchTo(system("b")).code).toBe(0);
  const before = box.path("store", "a", "bin", "switch-to-configuration");
  const text = readFileSync(before, "utf8");
  writeFileSync(before, "#!/bin/sh\nexit 11\n");
  expect(box.fire(ROLLBACK).code).not.toBe(0);
  expect(current()).toBe("b");
  writeFileSync(before, text);
  expect(goBack()).toMatchObject({ code: 0 });
  expect(current()).toBe("a");
  expect(armed()).toBe(false);
});

test("a requested rollback changes nothing after the guest rolled back by itself", () => {
  expect(switchTo(system("b")).code).toBe(0);
  expect(box.fire(ROLLBACK).code).toBe(0);
  const before = switches();
  expect(goBack()).toMatchObject({ code: 0 });
  expect(switches()).toBe(before);
  expect(current()).toBe("a");
});

test("a guest that was never switched has no system to roll back to", () => {
  const ran = goBack();
  expect(ran).toMatchObject({ code: 1 });
  expect(ran.output).toContain("the guest does not know what it ran before");
  expect(switches()).toBe(0);
});

test("a refused switch has nothing to undo if the guest runs the same system as before", () => {
  const other = guestSystem(box, "b", "another-name");
  expect(switchTo(other).output).toMatch(/the guest is .*, the system is for another-name/);
  expect(switchTo("", { system: box.path("store", "a") })).toMatchObject({ code: 0 });
  expect(switchTo("", { system: box.path("store", "b") })).toMatchObject({ code: 1 });
  expect(switches()).toBe(0);
  expect(current()).toBe("a");
});

test("failed units are reported, and the timer does not repeat the rollback", () => {
  const failing = box.makeSystem("a", 4);
  expect(failing).toBe(box.path("store", "a"));
  expect(switchTo(system("b")).code).toBe(0);
  const ran = goBack();
  expect(ran).toMatchObject({ code: 1 });
  expect(ran.output).toMatch(/the way back to .*a failed: exit code 4: units failed/);
  expect(armed()).toBe(true);
  expect(box.fire(ROLLBACK)).toMatchObject({ code: 0 });
  expect(note("system-before-switch")).toBeUndefined();
});

test.each([
  [1, "exit code 1"],
  [2, "the activation script failed"],
  [4, "units failed"],
  [11, "another switch holds"],
  [100, "reboot instead"],
])("exit code %d is reported with its meaning, and the timer is armed", (code, meaning) => {
  const toplevel = guestSystem(box, "b", undefined, code);
  const ran = switchTo(toplevel);
  expect(ran).toMatchObject({ code: 1 });
  expect(ran.output).toContain(`the switch to ${toplevel} failed: `);
  expect(ran.output).toContain(meaning);
  expect(armed()).toBe(true);
  expect(box.fire(ROLLBACK)).toMatchObject({ code: 0 });
  expect(current()).toBe("a");
});

test("a switch that does not end is stopped at its limit", () => {
  const toplevel = system("b");
  // systemd stops the unit, so no exit code is written.
  box.write("store/b/bin/switch-to-configuration", "#!/bin/sh\nkill -KILL $PPID\n");
  expect(switchTo(toplevel).output).toContain("it did not end within 20 s and was stopped");
});

describe("the next run", () => {
  test("confirms a finished switch without repeating it, and restarts its timer", () => {
    const toplevel = system("b");
    expect(switchTo(toplevel).code).toBe(0);
    for (const timer of timers()) rmSync(box.path("units", `${timer}.timer`));
    expect(switchTo(toplevel, { reported: "yes" }).code).toBe(0);
    expect(switches()).toBe(1);
    expect(timers()).toEqual([ROLLBACK, UNCONFIRMED]);
    expect(confirm(toplevel).code).toBe(0);
  });

  test("does not repeat a confirmed switch that the hypervisor does not know of", () => {
    const toplevel = system("b");
    expect(switchTo(toplevel).code).toBe(0);
    expect(confirm(toplevel).code).toBe(0);
    expect(switchTo(toplevel, { reported: "yes" }).code).toBe(0);
    expect(switches()).toBe(1);
    expect(armed()).toBe(false);
  });

  test("repeats the switch if the guest does not report the system", () => {
    expect(switchTo(box.path("store", "a")).code).toBe(0);
    expect(switches()).toBe(1);
  });

  test("repeats a switch that did not finish, even if the system runs", () => {
    const toplevel = guestSystem(box, "b", undefined, 4);
    expect(switchTo(toplevel).code).toBe(1);
    expect(current()).toBe("b");
    guestSystem(box, "b");
    expect(switchTo(toplevel, { reported: "yes" }).code).toBe(0);
    expect(switches()).toBe(2);
  });
});

test("after a kill at any step, the next run finishes the switch, and a timer is armed", () => {
  const toplevel = system("b");
  box.save();
  const steps = switchTo(toplevel).steps;
  expect(steps).toBeGreaterThan(10);
  for (let killAt = 1; killAt <= steps; killAt++) {
    box.restore();
    expect({ killAt, ...switchTo(toplevel, {}, killAt) }).toMatchObject({ killAt, killed: true });
    const left = current();
    expect({ killAt, safe: left === "a" || armed() }).toEqual({ killAt, safe: true });
    for (const timer of timers()) {
      box.save("fired");
      expect({ killAt, code: box.fire(timer).code }).toEqual({ killAt, code: 0 });
      expect({ killAt, current: current() }).toEqual({ killAt, current: "a" });
      box.restore("fired");
    }
    expect({ killAt, ...switchTo(toplevel) }).toMatchObject({ killAt, code: 0 });
    expect({ killAt, ...confirm(toplevel) }).toMatchObject({ killAt, code: 0 });
    expect({ killAt, current: current(), armed: armed() }).toEqual({
      killAt,
      current: "b",
      armed: false,
    });
  }
});

test("another machine than the probed one is refused, and nothing is done", () => {
  for (const name of ["guest-switch", "guest-confirm", "guest-grow"]) {
    const parameters = { ...parametersOf(system("b")), machine_id: "f".repeat(32) };
    const ran = box.run(name, parameters);
    expect(ran).toMatchObject({ code: 1, steps: 0 });
    expect(ran.output).toMatch(/^n0nce fail wrong-machine\t/);
  }
});

test("an operation in a guest writes nothing to its disk", () => {
  rmSync(box.path("state"), { recursive: true });
  expect(switchTo(system("b")).code).toBe(0);
  expect(existsSync(box.path("state"))).toBe(false);
});

test("a system of another guest, and one outside the guest's store, are refused first", () => {
  const other = switchTo(guestSystem(box, "b", "another\n"));
  expect(other).toMatchObject({ code: 1 });
  expect(other.output).toMatch(/the guest is \S+, the system is for another/);
  rmSync(box.path("store", "b"), { recursive: true });
  const unseen = switchTo(box.path("store", "b"));
  expect(unseen.output).toContain("its store is not the hypervisor's");
  expect(unseen.code).toBe(1);
  expect(current()).toBe("a");
  expect(armed()).toBe(false);
});

describe("the probe", () => {
  const probe = (): string =>
    spawnSync("/bin/sh", ["-c", box.moved(script("guest-probe", "read"))], {
      input: encodeParameters({ nonce: NONCE }),
      encoding: "utf8",
      cwd: box.root,
      env: box.environment(0),
    }).stdout;

  test("reports the machine and its system, and changes nothing", () => {
    const before = box.contents();
    const lines = probe().trim().split("\n");
    expect(lines.at(-1)).toBe(`${NONCE} done`);
    const facts = parseGuestFacts(
      "kw1",
      lines.map((line) => box.movedBack(line)),
      7,
    );
    expect(facts).toMatchObject({
      machineId: MACHINE,
      system: "/nix/store/a",
      hostname: readFileSync("/proc/sys/kernel/hostname", "utf8").trim(),
      bootId: readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim(),
      readAtSeconds: 7,
    });
    expect(Math.abs(facts.clockSeconds - Date.now() / 1000)).toBeLessThan(60);
    expect(facts.takenAt).toBeGreaterThan(0);
    expect(box.contents()).toEqual(before);
  });

  test("works in a guest without the system link", () => {
    rmSync(box.path("systems", "current-system"));
    expect(parseGuestFacts("kw1", probe().split("\n"), 0).system).toBe("");
  });
});
