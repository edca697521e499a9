/**
 * The disk of a host is full, has no inodes left, or is read-only. The error is clear, existing
 * data is intact, and the next run converges. Uses the real e2fsprogs. Mounts require root.
 */
import { readFileSync } from "node:fs";
import { ownership } from "../../provider/ownership";
import { documented } from "../troubleshooting";
import { SmallDisk } from "./disk";
import { closure, host, storePath, system, urn, vm, volume } from "./operations";
import { Sandbox } from "./sandbox";
import type { Ran } from "./sandbox";

jest.setTimeout(180_000);

type Step = [script: string, parameters: (box: Sandbox) => Record<string, string>];

interface Scenario {
  before: Step[];
  run: Step;
}
type Contents = Record<string, string>;

/** One clear line: the failure, the cause and the remedy. */
const SAID = new RegExp(
  `^n0nce fail operation\t.*(${documented("disk full", 1).source}|KiB are free).*\tFree some space`,
  "m",
);
const MIB = 1024 * 1024;
const bytes = (mebibytes: number): Record<string, string> => ({ bytes: String(mebibytes * MIB) });
const applyVm: Step = ["microvm-apply", () => vm()];
const step = (name: string): Step => [`system-${name}`, (box) => system(box)];

/** Volumes contain real file systems, large enough that mkfs.ext4 prints no warning. */
const SCENARIOS: Record<string, Scenario> = {
  "a volume is created": { before: [], run: ["volume-apply", (box) => volume(box, bytes(8))] },
  "a volume grows": {
    before: [["volume-apply", (box) => volume(box, bytes(8))]],
    run: ["volume-apply", (box) => volume(box, { ...bytes(64), known: "yes" })],
  },
  "a VM is created": { before: [], run: applyVm },
  "a VM gets another runner": {
    before: [applyVm, ["microvm-settle", () => vm({ outcome: "confirmed" })]],
    run: ["microvm-apply", () => vm({ runner: storePath("new"), known: "yes" })],
  },
  "a closure is created": { before: [], run: ["closure-apply", () => closure()] },
  "a volume is moved to the trash": {
    before: [["volume-apply", (box) => volume(box, bytes(8))]],
    run: ["volume-remove", (box) => volume(box, { ...bytes(8), on_delete: "trash" })],
  },
  "a system is switched to": { before: [], run: step("switch") },
  "a system is confirmed": { before: [step("switch")], run: step("confirm") },
  "a host is claimed": { before: [], run: ["host-claim", host] },
};
const EACH = Object.entries(SCENARIOS);

const onSmallDisk = <T>(
  { before, run }: Scenario,
  act: (box: Sandbox, disk: SmallDisk) => T,
): T => {
  const box = new Sandbox({ realFileSystems: true });
  const disk = new SmallDisk(box);
  try {
    for (const step of before) expect(perform(box, step)).toMatchObject({ code: 0 });
    // The objects that the parameters name are created before the disk is full.
    run[1](box);
    return act(box, disk);
  } finally {
    disk.remove();
    box.remove();
  }
};

function perform(box: Sandbox, [name, parameters]: Step): Ran {
  return box.run(name, parameters(box));
}

/**
 * The content of a file system image may differ between runs, so only size and mode are compared.
 */
function contents(box: Sandbox): Contents {
  return Object.fromEntries(
    Object.entries(box.contents()).map(([path, text]) => [
      path,
      path.endsWith(".img") ? text.split(" ", 3).join(" ") : text,
    ]),
  );
}

/** Records must be complete. Links and images must have their old or their new value. */
function expectWhole(box: Sandbox, before: Contents, wanted: Contents): void {
  const found = contents(box);
  for (const path of Object.keys(before)) expect(Object.keys(found)).toContain(path);
  for (const [path, text] of Object.entries(found)) {
    if (path.endsWith(".json")) {
      const record = readFileSync(box.path(path), "utf8").trim();
      expect(
        ["kc1", "kc1.var", "hv1"].map((name) => ownership(record, { urn: urn("lab", name) })),
      ).toContain("owned");
    } else if (text.startsWith("->") || path.endsWith(".img")) {
      expect([before[path], wanted[path]]).toContain(text);
    }
  }
}

/** Runs the scenario on a disk with enough space. */
function undisturbed(scenario: Scenario): { wanted: Contents; journal: string[] } {
  return onSmallDisk(scenario, (box) => {
    expect(perform(box, scenario.run)).toMatchObject({ code: 0 });
    return { wanted: contents(box), journal: box.journal() };
  });
}

/** Decreasing amounts of free space, down to none. */
const BLOCKS = [512, 16, 3, 1, 0];
const INODES = [4, 2, 1, 0];

describe.each(EACH)("%s", (_, scenario) => {
  const expected = undisturbed(scenario);

  test.each([
    ["blocks", BLOCKS],
    ["inodes", INODES],
  ] as const)("on a disk that has few %s left", (what, counts) => {
    const failures = counts.filter((count) =>
      onSmallDisk(scenario, (box, disk) => {
        const before = contents(box);
        disk.leave(what, count);
        const ran = perform(box, scenario.run);
        if (ran.code !== 0) {
          expect(ran.output).toMatch(SAID);
          expectWhole(box, before, expected.wanted);
        }
        disk.makeRoom();
        expect(perform(box, scenario.run)).toMatchObject({ code: 0 });
        expect({ wanted: contents(box), journal: box.journal() }).toEqual(expected);
        return ran.code !== 0;
      }),
    );
    expect(failures).toContain(0);
  });

  test("on a disk that is read-only", () => {
    onSmallDisk(scenario, (box, disk) => {
      const before = contents(box);
      disk.mount("ro");
      const ran = perform(box, scenario.run);
      expect(ran).toMatchObject({ code: 1 });
      expect(ran.output).toMatch(/^n0nce fail operation\t.*Read-only file system.*\tFind out why/m);
      expect(contents(box)).toEqual(before);
      disk.mount("rw");
      expect(perform(box, scenario.run)).toMatchObject({ code: 0 });
      expect({ wanted: contents(box), journal: box.journal() }).toEqual(expected);
    });
  });
});
