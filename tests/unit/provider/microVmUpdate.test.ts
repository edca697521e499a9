/** Which action a change of a VM requires, and the reason. */
import * as fc from "fast-check";
import { inputs, outputs } from "../../../provider/resources/machines/microVmState";
import type { Inputs, State } from "../../../provider/resources/machines/microVmState";
import { decide, explain } from "../../../provider/resources/machines/microVmUpdate";

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

const CASES: [string, Partial<Inputs>, Partial<State> | undefined, string, RegExp][] = [
  ["does not exist", {}, undefined, "start", /does not run/],
  ["does not run", {}, { running: false, booted: "", system: "" }, "start", /does not run/],
  ["must stop", { running: false }, {}, "stop", /running is false/],
  ["must stay stopped", { running: false }, { running: false }, "install", /does not run/],
  ["gets another system", {}, {}, "switch", /system changes, the hardware does not/],
  ["gets other hardware", { hardware: "i" }, {}, "restart", /hardware changes/],
  ["has unknown hardware", {}, { bootedHardware: "" }, "restart", /not known/],
  ["does not report its system", {}, { system: "" }, "restart", /does not say/],
  ["can't be switched", { liveSwitch: false }, {}, "restart", /flake does not say/],
  ["has no address", { address: "" }, {}, "restart", /no address/],
  ["has no pinned key", {}, { guestHostKey: "" }, "restart", /no SSH host key/],
  ["has updatePolicy restart", { updatePolicy: "restart" }, {}, "restart", /updatePolicy/],
  ["has updatePolicy onNextBoot", { updatePolicy: "onNextBoot" }, {}, "install", /updatePolicy/],
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
    "switch",
    /system changes/,
  ],
];

test.each(CASES)("a VM that %s", (_, input, state, action, reason) => {
  const decision = decide(wanted(input), state === undefined ? undefined : running(state));
  expect(decision.action).toBe(action);
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
        const { action } = decide(wanted({ updatePolicy }), running(state));
        if (action === "switch") {
          expect(updatePolicy).toBe("live");
          expect(state.booted === path("runner-b") || state.bootedHardware === "h").toBe(true);
          expect(state.system).not.toBe("");
        }
        if (updatePolicy === "onNextBoot") expect(["nothing", "install"]).toContain(action);
      }),
    );
  });

  test("after a switch or a restart, no action is required", () => {
    fc.assert(
      fc.property(any, policy, (before, updatePolicy) => {
        const input = wanted({ updatePolicy });
        const { action } = decide(input, running(before));
        const after: Partial<State> =
          action === "switch"
            ? { ...before, system: input.toplevel }
            : { booted: input.runner, system: input.toplevel, bootedHardware: "h" };
        if (action === "switch" || action === "restart") {
          expect(decide(input, running(after))).toEqual({ action: "nothing", reason: "" });
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
