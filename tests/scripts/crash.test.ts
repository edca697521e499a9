/**
 * Each script is killed before a command that may change something, and then run again: before
 * every such command in a soak, else before some of them.
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

/** Steps of each script that a sample has, beside the first and the last. */
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
/** volume-apply has left the record so behind a disk that grew while its VM runs. */
const grown: Step = [
  "volume-grown",
  (box) => {
    const record = box.path("state", "volumes", "kc1.var.json");
    const text = readFileSync(record, "utf8");
    writeFileSync(record, text.replace('"phase":"ready"', '"phase":"growing"'));
    return volume(box);
  },
];
/** The host came back on the system of before. */
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

/** Its VM runs by a QEMU that can be talked to. */
const startQemu = (box: Sandbox): void => box.startQemu(box.path("microvms", "kc1", "var.img"));

/** A second volume, which is in no state any more, and what an interrupted growth has left. */
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
  "a volume is made": { before: [], run: applyVolume },
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
  "a volume is kept": removeVolume("retain"),
  "a volume goes to the trash": removeVolume("trash"),
  "a volume is deleted": removeVolume("delete"),
  "a VM is made": { before: [], run: applyVm },
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
  "a VM is put back": {
    before: [applyVm, confirmVm, changeVm],
    run: ["microvm-settle", () => vm({ outcome: "failed" })],
  },
  "a VM is switched live": { before: [applyVm, confirmVm], run: switchVm },
  "a live switch is confirmed": {
    before: [applyVm, confirmVm, switchVm],
    run: ["microvm-settle", () => vm({ outcome: "confirmed", runner: storePath("new") })],
  },
  "a live switch is reverted in the guest": {
    before: [applyVm, confirmVm, switchVm],
    run: ["microvm-settle", () => vm({ outcome: "reverted" })],
  },
  "a live switch ends in a restart": {
    before: [applyVm, confirmVm, switchVm],
    run: ["microvm-settle", () => vm({ outcome: "failed" })],
  },
  "a VM is left to its next start": { before: [applyVm, confirmVm], run: change("install") },
  "a VM gets another name": renameVm,
  "a closure gets another name": {
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
  "a closure is kept": { before: [], run: ["closure-apply", () => closure()] },
  "a closure is dropped": {
    before: [["closure-apply", () => closure()]],
    run: ["closure-remove", () => closure()],
  },
  "a system is confirmed": { before: [step("switch")], run: step("confirm") },
  "a system becomes the default": { before: confirmed, run: step("default") },
  "a system is asked for one boot": { before: confirmed, run: step("reboot") },
  "a system whose boot failed is settled": { before: [...confirmed, step("reboot")], run: settled },
  "a system is left to itself": { before: [...confirmed, step("default")], run: step("remove") },
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

/** Of each line that the host's journal got, how often, where it is more than once. */
function repeated(box: Sandbox): string[] {
  const lines = readFileSync(box.path("journal"), "utf8").trim().split("\n");
  return lines.filter((line, index) => line !== "" && lines.indexOf(line) !== index);
}

/** Whether these are done again, the resource decides before it asks. */
const DECIDED_BEFORE = [
  "a guest has grown a volume",
  "a VM gets another runner",
  "a VM is restarted",
  "a system becomes the default",
  "a system is asked for one boot",
];
const LEFT_TO_THE_SCRIPT = Object.entries(SCENARIOS).filter(
  ([name]) => !DECIDED_BEFORE.includes(name),
);

test.each(LEFT_TO_THE_SCRIPT)("%s, run again, does nothing twice", (_, { before, run }) => {
  inSandbox((box) => {
    for (const step of before) whole(box, step);
    whole(box, run);
    whole(box, run);
    expect(repeated(box)).toEqual([]);
  });
});

test("the VMM of what grows, or gets a memory target, was told", () => {
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

const AGAIN = "a volume that is wanted again after a removal that was killed at any point";

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
        // Removed to its end: as if it had never been.
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
