/** A live switch in a guest: it is confirmed, or there is a timer in the guest that undoes it. */
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Sandbox } from "./sandbox";

const ROLLBACK = "pulumi-microvm-switch-rollback";
let box: Sandbox;
beforeEach(() => {
  box = new Sandbox();
  box.install(guestSystem("a"));
  writeFileSync(box.path("registration"), "");
});
afterEach(() => box.remove());

/** A system of this guest: scripts compare host names with this machine's. */
function guestSystem(name: string, hostname = readFileSync("/etc/hostname", "utf8")): string {
  const system = box.makeSystem(name);
  mkdirSync(join(system, "etc"), { recursive: true });
  writeFileSync(join(system, "etc", "hostname"), hostname);
  return system;
}

const switchTo = (toplevel: string, operation: string): ReturnType<Sandbox["run"]> =>
  box.run("guest-switch", {
    operation,
    toplevel,
    closure_info: toplevel === "" ? "" : box.root,
    seconds: "20",
    confirm_seconds: "30",
  });
const armed = (): boolean => existsSync(box.path("units", `${ROLLBACK}.timer`));
const current = (): string => box.running().current;

test("what is confirmed stays, and nothing is left that would undo it", () => {
  const toplevel = guestSystem("b");
  expect(switchTo(toplevel, "one")).toMatchObject({ code: 0 });
  expect(armed()).toBe(true);
  expect(box.run("guest-confirm", { toplevel })).toMatchObject({ code: 0 });
  expect(armed()).toBe(false);
  expect(box.fire(ROLLBACK).code).toBe(0);
  expect(current()).toBe("b");
});

test("what nobody confirms goes back by itself, also from a switch that was made twice", () => {
  expect(switchTo(guestSystem("b"), "one").code).toBe(0);
  expect(switchTo(guestSystem("c"), "two").code).toBe(0);
  expect(current()).toBe("c");
  expect(box.fire(ROLLBACK)).toMatchObject({ code: 0 });
  expect(current()).toBe("a");
  const late = box.run("guest-confirm", { toplevel: box.path("store", "c") });
  expect(late).toMatchObject({ code: 1 });
  expect(late.output).toMatch(/the guest runs .*a, and not .*c/);
});

test("a way back that is sent leaves no timer; one that can't be gone is tried again", () => {
  expect(switchTo(guestSystem("b"), "one").code).toBe(0);
  const before = box.path("store", "a", "bin", "switch-to-configuration");
  const text = readFileSync(before, "utf8");
  writeFileSync(before, "#!/bin/sh\nexit 11\n");
  expect(box.fire(ROLLBACK).code).not.toBe(0);
  expect(current()).toBe("b");
  writeFileSync(before, text);
  expect(switchTo("", "back")).toMatchObject({ code: 0 });
  expect(current()).toBe("a");
  expect(armed()).toBe(false);
});

test("another guest's system, and one that the guest does not see, are refused before anything is done", () => {
  const other = switchTo(guestSystem("b", "another\n"), "one");
  expect(other).toMatchObject({ code: 1 });
  expect(other.output).toMatch(/the guest is \S+, and the system is that of another/);
  rmSync(box.path("store", "b"), { recursive: true });
  const unseen = switchTo(box.path("store", "b"), "two");
  expect(unseen.output).toContain("its store is not the hypervisor's");
  expect(unseen.code).toBe(1);
  expect(current()).toBe("a");
  expect(armed()).toBe(false);
});
