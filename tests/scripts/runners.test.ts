/** Which runner is kept for a rollback if the installed runner is not the running one. */
import { mkdirSync, readlinkSync, symlinkSync } from "node:fs";
import { storePath, vm } from "./operations";
import { Sandbox } from "./sandbox";

let box: Sandbox;
beforeEach(() => (box = new Sandbox()));
afterEach(() => box.remove());

const systemOf = (name: string): string => storePath(`system-${name}`);

/** A runner in the sandbox's store, which names its system as runners of microvm.nix do. */
function makeRunner(name: string): string {
  const runner = box.path("store", name);
  mkdirSync(`${runner}/share/microvm`, { recursive: true });
  symlinkSync(systemOf(name), `${runner}/share/microvm/system`);
  return runner;
}

function apply(name: string, update: string): void {
  const runner = makeRunner(name);
  const parameters = vm({ runner, toplevel: systemOf(name), update, known: "yes" });
  expect(box.run("microvm-apply", parameters)).toMatchObject({ code: 0 });
  const settled = vm({ ...parameters, outcome: "confirmed" });
  if (update !== "install") expect(box.run("microvm-settle", settled)).toMatchObject({ code: 0 });
}

/** Simulates the activation in the guest. */
function say(name: string): void {
  const directory = box.path("microvms", "kc1", "etc", "pulumi-microvm");
  mkdirSync(directory, { recursive: true });
  symlinkSync(systemOf(name), `${directory}/system`);
}

const links = (): Record<string, string> =>
  Object.fromEntries(
    ["current", "booted", "old"].map((name) => [
      name,
      readlinkSync(box.path("microvms", "kc1", name)).replace(box.path("store/"), ""),
    ]),
  );

test("the runner of the guest's current system is kept, whatever is installed later", () => {
  apply("a", "start");
  apply("b", "switch");
  say("b");
  apply("c", "install");
  expect(links()).toEqual({ current: "c", booted: "a", old: "b" });
  apply("d", "install");
  expect(links()).toEqual({ current: "d", booted: "a", old: "b" });
});

test("a system that the guest reports but no runner contains is ignored", () => {
  apply("a", "start");
  say("elsewhere");
  apply("b", "install");
  apply("c", "install");
  expect(links()).toEqual({ current: "c", booted: "a", old: "a" });
});
