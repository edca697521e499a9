/**
 * Each script is killed before a command that may change something, and then run again. A soak run
 * does this before every such command, other runs before a sample.
 */
import {
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { makeRecord, openRecord } from "../../provider/ownership";
import { closure, host, ours, rename, storePath, system, urn, vm, volume } from "./operations";
import { Sandbox } from "./sandbox";
import { SELECTION, sampledSteps } from "../selection";

/** The number of sampled steps of each script, in addition to the first and the last. */
const BETWEEN = 6;

jest.setTimeout(180_000);

type Step = [script: string, parameters: (box: Sandbox) => Record<string, string>];

interface Scenario {
  before: Step[];
  run: Step;
}

const applyVolume: Step = ["volume-apply", (box) => volume(box)];
const applyVm: Step = ["microvm-apply", () => vm()];
const confirmVm: Step = ["microvm-settle", () => vm({ outcome: "confirmed" })];
const change = (update: string): Step => [
  "microvm-apply",
  () => vm({ runner: storePath("new"), hardware: "h2", update, known: "yes" }),
];
const changeVm = change("restart");
const switchVm = change("switch");
const step = (name: string): Step => [`system-${name}`, (box) => system(box)];
const confirmed = [step("switch"), step("confirm")];
/** The record that volume-apply leaves after it has grown the disk of a running VM. */
const grown: Step = [
  "volume-grown",
  (box) => {
    const record = box.path("state", "volumes", "kc1.var.json");
    const text = readFileSync(record, "utf8");
    writeFileSync(record, text.replace('"phase":"ready"', '"phase":"growing"'));
    return volume(box);
  },
];
/** The host has booted the previous system again. */
const settled: Step = [
  "system-settle",
  (box) => {
    const parameters = system(box);
    const link = box.path("systems", "current-system");
    rmSync(link);
    symlinkSync(box.path("store", "a"), link);
    return parameters;
  },
];
const removeVolume = (how: string): Scenario => ({
  before: [applyVolume],
  run: ["volume-remove", (box) => volume(box, { on_delete: how })],
});

/** The VM runs with a QEMU that has a control socket. */
const startQemu = (box: Sandbox): void => box.startQemu(box.path("microvms", "kc1", "var.img"));

/** A second volume that is in no state, and the files of an interrupted growth. */
const keptVolume: Step = [
  "volume-apply",
  (box) => {
    const image = box.path("microvms", "kc1", "old.img");
    const owner = urn("lab", "kc1-old");
    const fields = { image, fsType: "ext4", label: "old", onDelete: "retain" };
    const record = openRecord(owner, fields);
    return volume(box, { key: "kc1.old", image, label: "old", record, owner: ours(owner) });
  },
];
const removeKept: Step = ["volume-remove", (box) => ({ ...keptVolume[1](box), known: "yes" })];
const renameVm: Scenario = {
  before: [
    applyVolume,
    keptVolume,
    removeKept,
    applyVm,
    [
      "microvm-settle",
      (box) => {
        for (const [directory, file] of [
          ["state/held/kc1", "kc1.var"],
          ["state/memory", "kc1"],
          ["run/memory", "kc1"],
        ] as const) {
          mkdirSync(box.path(directory), { recursive: true });
          box.write(`${directory}/${file}`, "192\n");
        }
        return vm({ outcome: "confirmed" });
      },
    ],
  ],
  run: ["microvm-rename", () => rename()],
};

const SCENARIOS = {
  "a volume is created": { before: [], run: applyVolume },
  "a volume grows": {
    before: [applyVolume],
    run: ["volume-apply", (box) => volume(box, { bytes: "131072", known: "yes" })],
  },
  "a volume in use grows": {
    before: [applyVolume, applyVm],
    run: [
      "volume-apply",
      (box) => {
        startQemu(box);
        return volume(box, { bytes: "131072", known: "yes" });
      },
    ],
  },
  "a guest has grown a volume": { before: [applyVolume], run: grown },
  "a volume is retained": removeVolume("retain"),
  "a volume is moved to the trash": removeVolume("trash"),
  "a volume is deleted": removeVolume("delete"),
  "a VM is created": { before: [], run: applyVm },
  "a VM gets another runner": {
    before: [applyVm],
    run: changeVm,
  },
  "a VM is restarted": {
    before: [applyVm],
    run: ["microvm-apply", () => vm({ known: "yes", update: "restart" }, "lab", "again")],
  },
  "a VM gets a memory target": {
    before: [applyVm],
    run: [
      "microvm-apply",
      (box) => {
        startQemu(box);
        return vm({ known: "yes", update: "nothing", memory_target: "192" });
      },
    ],
  },
  "a VM is stopped": {
    before: [applyVm],
    run: ["microvm-apply", () => vm({ running: "no", known: "yes" })],
  },
  "a VM is confirmed": {
    before: [applyVm],
    run: ["microvm-settle", () => vm({ outcome: "confirmed" })],
  },
  "a VM is rolled back": {
    before: [applyVm, confirmVm, changeVm],
    run: ["microvm-settle", () => vm({ outcome: "failed" })],
  },
  "a VM is switched live": { before: [applyVm, confirmVm], run: switchVm },
  "a live switch is confirmed": {
    before: [applyVm, confirmVm, switchVm],
    run: ["microvm-settle", () => vm({ outcome: "confirmed", runner: storePath("new") })],
  },
  "a live switch is rolled back in the guest": {
    before: [applyVm, confirmVm, switchVm],
    run: ["microvm-settle", () => vm({ outcome: "reverted" })],
  },
  "a failed live switch is rolled back by a restart": {
    before: [applyVm, confirmVm, switchVm],
    run: ["microvm-settle", () => vm({ outcome: "failed" })],
  },
  "a VM is changed for its next start": { before: [applyVm, confirmVm], run: change("install") },
  "a VM is renamed": renameVm,
  "a closure is renamed": {
    before: [["closure-apply", () => closure()]],
    run: [
      "closure-apply",
      () => {
        const [name, owner, former] = ["kc9", ours(urn("lab", "kc9")), ours(urn("lab", "kc1"))];
        const record = makeRecord(urn("lab", "kc9"), {});
        return closure({ name, owner, former_owner: former, former_name: "kc1", record });
      },
    ],
  },
  "a VM is removed": { before: [applyVm], run: ["microvm-remove", () => vm()] },
  "a closure is created": { before: [], run: ["closure-apply", () => closure()] },
  "a closure is removed": {
    before: [["closure-apply", () => closure()]],
    run: ["closure-remove", () => closure()],
  },
  "a system is confirmed": { before: [step("switch")], run: step("confirm") },
  "a system becomes the default": { before: confirmed, run: step("default") },
  "a system is booted once": { before: confirmed, run: step("reboot") },
  "a system whose boot failed is settled": { before: [...confirmed, step("reboot")], run: settled },
  "a system is no longer managed": { before: [...confirmed, step("default")], run: step("remove") },
  "a host is claimed": { before: [], run: ["host-claim", host] },
  "a host is released": {
    before: [["host-claim", host]],
    run: ["host-release", host],
  },
} satisfies Record<string, Scenario>;

function inSandbox<T>(act: (box: Sandbox) => T): T {
  const box = new Sandbox();
  try {
    return act(box);
  } finally {
    box.remove();
  }
}

function perform(box: Sandbox, [name, parameters]: Step, killAt = 0): ReturnType<Sandbox["run"]> {
  return box.run(name, parameters(box), killAt);
}

function whole(box: Sandbox, step: Step): number {
  const { code, output, steps } = perform(box, step);
  expect(`${code ?? "killed"} ${output}`).toMatch(/^0 [^]*n0nce done\n$/);
  return steps;
}

const KILLED = `%s, killed at any point (${SELECTION})`;

test.each(Object.entries(SCENARIOS))(KILLED, (scenario, { before, run }) => {
  inSandbox((box) => {
    for (const step of before) whole(box, step);
    box.save();
    const steps = whole(box, run);
    const wanted = { contents: box.contents(), journal: box.journal() };
    expect(steps).toBeGreaterThan(3);
    for (const killAt of sampledSteps(scenario, steps, BETWEEN)) {
      box.restore();
      expect(perform(box, run, killAt)).toMatchObject({ killed: true, steps: killAt });
      whole(box, run);
      const found = { contents: box.contents(), journal: box.journal() };
      expect({ killAt, ...found }).toEqual({ killAt, ...wanted });
    }
  });
});

/** Lines that are in the host's journal more than once, with their count. */
function repeated(box: Sandbox): string[] {
  const lines = readFileSync(box.path("journal"), "utf8").trim().split("\n");
  return lines.filter((line, index) => line !== "" && lines.indexOf(line) !== index);
}

/** The provider, not the script, decides whether these operations run again. */
const DECIDED_BEFORE = [
  "a guest has grown a volume",
  "a VM gets another runner",
  "a VM is restarted",
  "a system becomes the default",
  "a system is booted once",
];
const LEFT_TO_THE_SCRIPT = Object.entries(SCENARIOS).filter(
  ([name]) => !DECIDED_BEFORE.includes(name),
);

test.each(LEFT_TO_THE_SCRIPT)("%s; a second run changes nothing", (_, { before, run }) => {
  inSandbox((box) => {
    for (const step of before) whole(box, step);
    whole(box, run);
    whole(box, run);
    expect(repeated(box)).toEqual([]);
  });
});

test("the VMM receives a new disk size and a new memory target", () => {
  for (const [scenario, file, told] of [
    ["a volume in use grows", "size", '"device":"vda","size":131072'],
    ["a VM gets a memory target", "balloon", `"value":${192 * 1024 ** 2}`],
  ] as const) {
    inSandbox((box) => {
      for (const one of [...SCENARIOS[scenario].before, SCENARIOS[scenario].run]) whole(box, one);
      expect(readFileSync(box.path("vmm", file), "utf8")).toContain(told);
    });
  }
});

const AGAIN = "a volume is created again after its removal was killed at any point";

describe(`${AGAIN} (${SELECTION})`, () => {
  const withData = (box: Sandbox): string => {
    const path = box.path("microvms", "kc1", "var.img");
    whole(box, applyVolume);
    const file = openSync(path, "r+");
    writeSync(file, "kept", 4096);
    closeSync(file);
    box.save();
    return path;
  };
  const dataOf = (path: string): string => readFileSync(path).subarray(4096, 4100).toString();
  const again: Step = ["volume-apply", (box) => volume(box, { known: "yes" })];

  test.each(["trash", "delete"])("onDelete: %s", (how) => {
    inSandbox((box) => {
      const path = withData(box);
      const { run } = removeVolume(how);
      const steps = whole(box, run);
      for (const killAt of sampledSteps(`${AGAIN}: ${how}`, steps, BETWEEN)) {
        box.restore();
        perform(box, run, killAt);
        // The removal finished, so the volume is a new one.
        const gone = !existsSync(box.path("state", "volumes", "kc1.var.json"));
        const before = existsSync(path);
        whole(box, again);
        if (how === "trash" && !gone)
          expect({ killAt, data: dataOf(path) }).toEqual({ killAt, data: "kept" });
        if (how === "delete" && before) expect(dataOf(path)).toBe("kept");
        expect(readFileSync(box.path("state", "volumes", "kc1.var.json"), "utf8")).toContain(
          '"ready"',
        );
      }
    });
  });
});
