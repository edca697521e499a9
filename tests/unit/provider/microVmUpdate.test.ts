/** Which action a change of a VM requires, and the reason. */
import * as fc from "fast-check";
import { KINDS, kindOf } from "../../../contract/promises";
import type { VmState } from "../../../contract/effects";
import type { KindName } from "../../../contract/promises";
import { microVmDrift } from "../../../provider/resources/machines/microVmDrift";
import { inputs, outputs } from "../../../provider/resources/machines/microVmState";
import type { Inputs, State } from "../../../provider/resources/machines/microVmState";
import { decide, explain, vmStateOf } from "../../../provider/resources/machines/microVmUpdate";

const path = (name: string): string => `/nix/store/${"0".repeat(32)}-${name}`;

/** The inputs: runner and system `b`, on hardware `h`. */
const wanted = (more: Partial<Inputs> = {}): Inputs =>
  inputs.parse({
    host: "hv1",
    machineId: "0".repeat(32),
    name: "kw1",
    runner: path("runner-b"),
    toplevel: path("system-b"),
    address: "192.0.2.31",
    hardware: "h",
    closureInfo: path("closure-info"),
    liveSwitch: true,
    ...more,
  });

/** A VM that runs runner and system `a`, on the same hardware. */
const running = (more: Partial<State> = {}): State =>
  outputs.parse({
    runner: path("runner-a"),
    toplevel: path("system-a"),
    running: true,
    restart: "",
    booted: path("runner-a"),
    system: path("system-a"),
    bootedHardware: "h",
    stale: false,
    autostart: true,
    guestHostKey: "ssh-ed25519 AAAA",
    ownership: "owned",
    ...more,
  });

const AS_INSTALLED = { runner: path("runner-a"), toplevel: path("system-a") };

const CASES: [string, Partial<Inputs>, Partial<State> | undefined, string, RegExp][] = [
  ["does not exist", {}, undefined, "start", /does not run/],
  ["does not run", {}, { running: false, booted: "", system: "" }, "start", /does not run/],
  ["must stop", { running: false }, {}, "stop", /running is false/],
  ["must stay stopped", { running: false }, { running: false }, "nextStart", /does not run/],
  ["has another system", {}, {}, "live", /system changes, the hardware does not/],
  ["has other hardware", { hardware: "i" }, {}, "restart", /hardware changes/],
  ["has unknown hardware", {}, { bootedHardware: "" }, "restart", /not known/],
  ["does not report its system", {}, { system: "" }, "restart", /does not say/],
  ["can't be switched", { liveSwitch: false }, {}, "restart", /flake does not say/],
  ["has no address", { address: "" }, {}, "restart", /no address/],
  ["has no pinned key", {}, { guestHostKey: "" }, "restart", /no SSH host key/],
  ["has updatePolicy restart", { updatePolicy: "restart" }, {}, "restart", /updatePolicy/],
  ["has updatePolicy onNextBoot", { updatePolicy: "onNextBoot" }, {}, "nextStart", /updatePolicy/],
  ["gets another address", {}, { address: "192.0.2.30" }, "restart", /address .*\.30 -> .*\.31/],
  ["gets another host name", { hostName: "b" }, { hostName: "a" }, "restart", /host name changes/],
  ["has an unrecorded address", { hostName: "b" }, {}, "live", /system changes/],
  ["has not answered since its start", {}, { status: "starting" }, "restart", /has not answered/],
  ["is in a live switch", {}, { status: "activating" }, "live", /system changes/],
  ["lost its tap", { bridge: "br0", ...AS_INSTALLED }, { taps: ["missing"] }, "restart", /tap/],
  ["has a free tap", { bridge: "br0", ...AS_INSTALLED }, { taps: ["none"] }, "nothing", /^$/],
  [
    "waits for its next start with another address",
    { updatePolicy: "onNextBoot" },
    { address: "192.0.2.30" },
    "nextStart",
    /updatePolicy/,
  ],
  ["has a new restart text", { restart: "2" }, {}, "restart", /`restart`/],
  [
    "has a new restart text and another system",
    { restart: "2", updatePolicy: "onNextBoot" },
    {},
    "restart",
    /`restart`/,
  ],
  ["was started with it", {}, { booted: path("runner-b"), system: "" }, "nothing", /^$/],
  ["was switched to it", {}, { system: path("system-b") }, "nothing", /^$/],
  [
    "was switched to it by hand but has other hardware",
    { hardware: "i" },
    { system: path("system-b") },
    "restart",
    /hardware changes/,
  ],
  [
    "was switched to another system by hand",
    {},
    { booted: path("runner-b"), system: path("system-c") },
    "live",
    /system changes/,
  ],
];

test.each(CASES)("a VM that %s", (_, input, state, effect, reason) => {
  const decision = decide(wanted(input), state === undefined ? undefined : running(state));
  expect(decision.effect).toBe(effect);
  expect(decision.reason).toMatch(reason);
});

describe("for any VM", () => {
  const any = fc.record({
    booted: fc.constantFrom(path("runner-a"), path("runner-b")),
    system: fc.constantFrom("", path("system-a"), path("system-b")),
    bootedHardware: fc.constantFrom("", "h", "i"),
    guestHostKey: fc.constantFrom("", "ssh-ed25519 AAAA"),
  });
  const policy = fc.constantFrom("live" as const, "restart" as const, "onNextBoot" as const);

  test("a switch requires the same hardware, and never contradicts the policy", () => {
    fc.assert(
      fc.property(any, policy, (state, updatePolicy) => {
        const { effect } = decide(wanted({ updatePolicy }), running(state));
        if (effect === "live") {
          expect(updatePolicy).toBe("live");
          expect(state.booted === path("runner-b") || state.bootedHardware === "h").toBe(true);
          expect(state.system).not.toBe("");
        }
        if (updatePolicy === "onNextBoot") expect(["nothing", "nextStart"]).toContain(effect);
      }),
    );
  });

  test("after a switch or a restart, no action is required", () => {
    fc.assert(
      fc.property(any, policy, (before, updatePolicy) => {
        const input = wanted({ updatePolicy });
        const { effect } = decide(input, running(before));
        const after: Partial<State> =
          effect === "live"
            ? { ...before, system: input.toplevel }
            : { booted: input.runner, system: input.toplevel, bootedHardware: "h" };
        if (effect === "live" || effect === "restart") {
          expect(decide(input, running(after))).toEqual({ effect: "nothing", reason: "" });
        }
      }),
    );
  });
});

test("the preview's words", () => {
  expect(explain(wanted(), running())).toBe(
    "kw1: live switch, it keeps running: the system changes, the hardware does not",
  );
  expect(explain(wanted({ memoryTargetMiB: 128 }), running({ system: path("system-b") }))).toBe(
    "kw1: memory target, without a restart",
  );
  expect(explain(wanted(), running({ system: path("system-b") }))).toBeUndefined();
});

test("the hardware parts that the site changes are shown with old and new value", () => {
  const parts = { vcpu: "1", memory: "192 MiB", shares: "none" };
  const before = wanted({ hardwareParts: parts });
  const after = wanted({ hardware: "i", hardwareParts: { ...parts, memory: "224 MiB", mac: "x" } });
  const text = "kw1: restarts: the hardware changes";
  expect(explain(after, running(), before)).toBe(
    `${text} (memory 192 MiB -> 224 MiB, mac none -> x)`,
  );
  // After a change in the flake, and in a state from before parts were recorded.
  expect(explain({ ...after, hardwareParts: parts }, running(), before)).toBe(text);
  expect(explain(after, running(), wanted())).toBe(text);
});

describe("a tap of a running VM", () => {
  const bridged = (more: Partial<Inputs> = {}): Inputs =>
    wanted({ bridge: "br0", ...AS_INSTALLED, ...more });
  const drift = (taps: string[], more: Partial<Inputs> = {}): string[] =>
    microVmDrift(running({ taps }), bridged(more));

  test.each([[["none"]], [["down"]], [["br1"]], [["missing", "none"]]])(
    "%j is connected again, without a restart",
    (taps) => {
      expect(drift(taps)).toEqual(["taps"]);
      const line = explain(bridged(), running({ taps }));
      expect(line).toBe("kw1: its tap is connected to br0 again, without a restart");
    },
  );

  test("that is missing takes a restart", () => {
    expect(drift(["missing"])).toEqual(["taps"]);
    expect(explain(bridged(), running({ taps: ["missing"] }))).toBe(
      "kw1: restarts: its tap is missing",
    );
  });

  test("is connected with a live switch, and not with a restart", () => {
    const cut = running({ taps: ["none"] });
    expect(explain(wanted({ bridge: "br0" }), cut)).toMatch(/live switch.*; its tap is connected/);
    expect(explain(bridged({ restart: "1" }), cut)).toBe("kw1: restarts: `restart` was changed");
  });

  test.each([[["br0"]], [["none", "br0"]], [[]]])("%j is as it should be", (taps) => {
    expect(drift(taps)).toEqual([]);
    expect(explain(bridged(), running({ taps }))).toBeUndefined();
  });

  test("is not looked at where the site has no bridge to look for", () => {
    expect(drift(["none"], { bridge: undefined })).toEqual([]);
  });
});

/** Each cell of the table for the kinds that are compared here. */
describe("the table decides", () => {
  const STATES: Readonly<Record<VmState, Partial<State>>> = {
    running: {},
    switchedLive: { booted: path("runner-0") },
    imported: { bootedHardware: "" },
    startFailed: { status: "starting" },
    stopped: { running: false, booted: "", system: "", bootedHardware: "" },
  };
  const CHANGES: Partial<Record<KindName, [Partial<Inputs>, Partial<State>]>> = {
    system: [{}, {}],
    hardware: [{ hardware: "i" }, {}],
    address: [{}, { address: "192.0.2.30" }],
    hostName: [{ hostName: "b" }, { hostName: "a" }],
    restart: [{ restart: "1", ...AS_INSTALLED }, {}],
    tapMissing: [{ bridge: "br0", ...AS_INSTALLED }, { taps: ["missing"] }],
  };
  const rows = Object.entries(CHANGES).flatMap(([kind, change]) =>
    Object.entries(STATES).map(([name, state]) => ({ kind, name, change, state })),
  );

  test.each(rows)("$kind of a VM that is $name", ({ kind, name, change, state }) => {
    const [input, seen] = change;
    const vm = running({ ...state, ...(state.running === false ? {} : seen) });
    const isStopped = !vm.running;
    expect(Object.keys(STATES)).toContain(vmStateOf(vm));
    expect(vmStateOf(vm)).toBe(name);
    const { effect } = decide(wanted({ running: !isStopped, ...input }), vm);
    const row: Partial<Record<string, string>> = kindOf(kindNamed(kind)).vms;
    // A record alone is no decision, and an unknown hardware is no hardware that changes.
    const expected = row[name] === "recorded" ? "nothing" : row[name];
    expect(effect).toBe(expected);
  });

  function kindNamed(name: string): KindName {
    const found = Object.keys(KINDS).find((one): one is KindName => one === name);
    if (found === undefined) throw new Error(name);
    return found;
  }
});
