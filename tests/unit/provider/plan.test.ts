/** The pure part of a resource for any state: no change if and only if everything is as wanted. */
import * as fc from "fast-check";
import { RESOURCES } from "../../../provider/resources";
import { toMap } from "../../../provider/wire";

const path = (name: string): string => `/nix/store/${"0".repeat(32)}-${name}`;
const runner = fc.constantFrom(path("a"), path("b"));
const inputs = fc.record({
  host: fc.constant("hv1"),
  machineId: fc.constant("0".repeat(32)),
  name: fc.constant("kc1"),
  runner,
  toplevel: fc.constant(path("system")),
  address: fc.constant("192.0.2.21"),
  running: fc.boolean(),
  restart: fc.constantFrom("", "1"),
  memoryTargetMiB: fc.constantFrom(128, 192),
});
const observed = fc.record({
  runner,
  toplevel: fc.constantFrom(path("system"), ""),
  running: fc.boolean(),
  restart: fc.constantFrom("", "1"),
  booted: runner,
  system: fc.constantFrom("", path("system"), path("other")),
  stale: fc.boolean(),
  autostart: fc.boolean(),
  guestHostKey: fc.constantFrom("ssh-ed25519 AAAA", ""),
  ownership: fc.constantFrom("owned", "altered", "missing"),
  status: fc.constantFrom("ready", "starting", "switching"),
  memoryTargetMiB: fc.constantFrom(0, 128, 192),
  memoryPending: fc.boolean(),
});

/** The observation if everything is as wanted. */
function asWanted(wanted: { runner: string; toplevel: string; running: boolean; restart: string }) {
  const { runner, toplevel, running, restart } = wanted;
  const guestHostKey = "ssh-ed25519 AAAA";
  const rest = { booted: runner, stale: false, autostart: running, ownership: "owned" };
  return { runner, toplevel, running, restart, guestHostKey, ...rest };
}

function fail(): never {
  throw new Error("no sample");
}

function resource(type: string) {
  const found = RESOURCES.get(`microvm:index:${type}`);
  if (found === undefined) throw new Error(type);
  return found;
}

describe("MicroVm", () => {
  const microVm = resource("MicroVm");

  test("no change if and only if everything is as wanted", () => {
    fc.assert(
      fc.property(inputs, observed, (wanted, found) => {
        const asWanted =
          found.runner === wanted.runner &&
          found.toplevel === wanted.toplevel &&
          found.running === wanted.running &&
          found.restart === wanted.restart &&
          !found.stale &&
          (!found.running || found.system !== path("other")) &&
          found.autostart === wanted.running &&
          (found.guestHostKey !== "" || found.running) &&
          found.status === "ready" &&
          found.ownership === "owned" &&
          found.memoryTargetMiB === wanted.memoryTargetMiB &&
          !found.memoryPending;
        const news = toMap(wanted);
        const changes = microVm.diff({ ...news, ...toMap(found) }, news, news, []);
        expect(changes.size === 0).toBe(asWanted);
        for (const change of changes.values()) expect(change.inputDiff).toBe(false);
      }),
    );
  });

  test("a changed input is a change with any observation, and differs from drift", () => {
    fc.assert(
      fc.property(inputs, inputs, observed, (before, after, found) => {
        const changes = microVm.diff(
          { ...toMap(before), ...toMap(found) },
          toMap(before),
          toMap(after),
          [],
        );
        for (const key of ["runner", "running", "restart"] as const) {
          if (before[key] !== after[key]) expect(changes.get(key)?.inputDiff).toBe(true);
        }
      }),
    );
  });

  test("without a target, the guest must have all of its memory", () => {
    const { memoryTargetMiB: given, ...wanted } = fc.sample(inputs, 1)[0] ?? fail();
    expect(given).toBeGreaterThan(0);
    const found = { memoryTargetMiB: 128, memoryPending: false };
    const news = toMap(wanted);
    const state = { ...news, ...toMap({ ...asWanted(wanted), ...found }) };
    expect([...microVm.diff(state, news, news, []).keys()]).toEqual(["memoryTargetMiB"]);
    const all = { ...state, memoryTargetMiB: 0 };
    expect(microVm.diff(all, news, news, []).size).toBe(0);
  });

  test("ignoreChanges hides a property, and no other", () => {
    fc.assert(
      fc.property(inputs, observed, (wanted, found) => {
        const news = toMap(wanted);
        const state = { ...news, ...toMap(found) };
        const all = [...microVm.diff(state, news, news, []).keys()];
        const some = [...microVm.diff(state, news, news, ["runner"]).keys()];
        expect(some).toEqual(all.filter((key) => key !== "runner"));
      }),
    );
  });
});

describe("Volume", () => {
  const volume = resource("Volume");
  const base = {
    host: "hv1",
    machineId: "0".repeat(32),
    vm: "kc1",
    name: "var",
    image: "/var/lib/microvms/kc1/var.img",
    fsType: "ext4",
    label: "kc1-var",
    onDelete: "retain",
  };

  test("a label is set once, on an image without one, and never changed", () => {
    const label = fc.constantFrom("", "a", "b");
    fc.assert(
      fc.property(label, label, (before, after) => {
        const checked = volume.check(
          toMap({ ...base, sizeMiB: 1, label: after }),
          toMap({ ...base, sizeMiB: 1, label: before }),
        );
        expect(checked.faults.length === 0).toBe(before === "" || after === before);
      }),
    );
  });

  test("a default label that a rename would change is refused, with the label to set", () => {
    const checked = volume.check(
      toMap({ ...base, sizeMiB: 1, label: "kw7-var" }),
      toMap({ ...base, sizeMiB: 1, label: "kw1-var" }),
    );
    expect(JSON.stringify(checked.faults)).toContain("in the site: label: kw1-var");
  });

  test("a size passes if and only if it does not shrink", () => {
    const size = fc.integer({ min: 1, max: 2 ** 30 });
    fc.assert(
      fc.property(size, size, (before, after) => {
        const checked = volume.check(
          toMap({ ...base, sizeMiB: after }),
          toMap({ ...base, sizeMiB: before }),
        );
        expect(checked.faults.length === 0).toBe(after >= before);
      }),
    );
  });
});
