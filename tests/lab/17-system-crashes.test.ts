/**
 * The provider is killed at the steps of a hypervisor's own system: at each step in a soak run,
 * otherwise at a sample. The next `up` continues, and nothing is done twice.
 */
import { expectNoChanges, journalEnd, on, state, until, up } from "./lab";
import { Gate, expectOnce, killAt, killedAt } from "./kill";
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
import { SELECTION, sampled } from "../selection";

const { site, flake, want, setKernel, use, release } = new OwnSystem();
const gate = new Gate("hv1");

beforeAll(async () => {
  await use();
  await gate.install();
});
afterAll(async () => {
  await gate.remove();
  await release();
});

const SWITCH = [
  "switching from",
  "a fresh login reached it",
  "setting the system profile",
  "the default of the next boot",
];
const TRIAL = [
  "stays the default",
  "stopping kw1 for the reboot",
  "requesting one boot",
  "rebooting into",
];

// The first test creates the resource.
describe(`of a switch (${SELECTION})`, () => {
  test.each(sampled("switch", SWITCH, 2))("%s", async (text) => {
    const before = await guests();
    const system = await current();
    await want(`# killed at: ${text}\n${GOOD}`, { confirmTimeout: "90s" });
    await killedAt(gate, text);
    await expectNoChanges();
    expect(await current()).not.toBe(system);
    expect(await guests()).toEqual(before);
  });

  test("removing the record of the NixOS system", async () => {
    const system = await current();
    await site.set({ flake: flake.reference });
    await killedAt(gate, "removing the record of the NixOS system");
    await expectNoChanges();
    expect(await current()).toBe(system);
    expect((await state()).has("NixosSystem hv1")).toBe(false);
  });
});

describe(`the provider is killed during a boot on trial (${SELECTION})`, () => {
  test.each(sampled("trial", TRIAL, 2))("%s", async (text) => {
    const boot = await bootOf();
    const end = await journalEnd("hv1");
    setKernel(`lab kernel, killed at: ${text}`);
    await want(GOOD, { rebootPolicy: "ifRequired" });
    await killAt(gate, text);
    // The host continues by itself. Nobody confirms the boot until the next `up`.
    await until("the boot", 120, async () => ((await bootOf()) === boot ? undefined : true));
    await up();
    await expectNoChanges();
    await expectOnce("hv1", end, text);
    expect(await booted()).toBe(await current());
    expect(await on("hv1", DEFAULT_ENTRY)).toContain(`${await current()}/init`);
    await awaitVms();
  });
});
