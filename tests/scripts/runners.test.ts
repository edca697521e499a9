/** Which runner is kept as the way back of a VM, when what is installed is not what runs. */
import { mkdirSync, readlinkSync, symlinkSync } from "node:fs";
import { storePath, vm } from "./operations";
import { Sandbox } from "./sandbox";

let box: Sandbox;
beforeEach(() => (box = new Sandbox()));
afterEach(() => box.remove());

const systemOf = (name: string): string => storePath(`system-${name}`);

/** A runner in the box's store, which names its system as microvm.nix's do. */
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

/** What the guest's activation does. */
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

test("the runner of the system that a guest was switched to stays, whatever is installed after it", () => {
  apply("a", "start");
  apply("b", "switch");
  say("b");
  apply("c", "install");
  expect(links()).toEqual({ current: "c", booted: "a", old: "b" });
  apply("d", "install");
  expect(links()).toEqual({ current: "d", booted: "a", old: "b" });
});

test("what a guest says that no runner here has counts for nothing", () => {
  apply("a", "start");
  say("elsewhere");
  apply("b", "install");
  apply("c", "install");
  expect(links()).toEqual({ current: "c", booted: "a", old: "a" });
});
