/**
 * Other users can write below /var/lib/microvms: user `microvm` owns the directories, and the root
 * of a guest writes to its /etc share. Whatever they put there at any time, the scripts write
 * nothing outside.
 */
import * as fs from "node:fs";
import { join } from "node:path";
import { storePath, vm, volume } from "./operations";
import { Sandbox } from "./sandbox";
import type { Ran } from "./sandbox";
import { SELECTION, sampledSteps } from "../selection";

/** The number of sampled points of an operation, in addition to the first and the last. */
const BETWEEN = 6;

jest.setTimeout(240_000);

type Step = [script: string, parameters: (box: Sandbox) => Record<string, string>];

const applyVm: Step = ["microvm-apply", () => vm()];
const confirmVm: Step = ["microvm-settle", () => vm({ outcome: "confirmed" })];
const changeVm: Step = [
  "microvm-apply",
  () => vm({ runner: storePath("new"), known: "yes" }, "lab", "again"),
];
const applyVolume: Step = ["volume-apply", (box) => volume(box)];

interface Operation {
  before: Step[];
  run: Step;
  /** The objects that the operation writes to. */
  names: string[];
}
const links = ["the VM's directory", "the links"];
const images = ["the VM's directory", "the image", "the new image"];
const share = ["the share", "the share's ssh directory", "the key's files"];

const OPERATIONS: Record<string, Operation> = {
  "a VM is created": { before: [], run: applyVm, names: [...links, ...share] },
  "a VM gets another runner": { before: [applyVm, confirmVm], run: changeVm, names: links },
  "a VM is rolled back": {
    before: [applyVm, confirmVm, changeVm],
    run: ["microvm-settle", () => vm({ outcome: "failed" })],
    names: links,
  },
  "a VM is removed": { before: [applyVm], run: ["microvm-remove", () => vm()], names: links },
  "a volume is created": { before: [], run: applyVolume, names: images },
  "a volume grows": {
    before: [applyVolume],
    run: ["volume-apply", (box) => volume(box, { bytes: "131072", known: "yes" })],
    names: images,
  },
  "a volume is moved to the trash": {
    before: [applyVolume],
    run: ["volume-remove", (box) => volume(box, { on_delete: "trash" })],
    names: images,
  },
  "a volume is deleted": {
    before: [applyVolume],
    run: ["volume-remove", (box) => volume(box, { on_delete: "delete" })],
    names: images,
  },
};

/** Replaces a name with a link to a file or a directory outside. `$BOX` is the sandbox. */
const link = (name: string, to: string): string =>
  `(cd "$BOX/microvms" && rm -rf ${name} && mkdir -p $(dirname ${name}) && ` +
  `ln -s "$BOX/outside/${to}" ${name}) 2>/dev/null`;

const ATTACKS: Record<string, string> = {
  "the VM's directory": link("kc1", "directory"),
  "the share": link("kc1/etc", "directory"),
  "the share's ssh directory": link("kc1/etc/ssh", "directory"),
  "the key's files": ["", ".pub", ".new", ".pub.new"]
    .map((end) => link(`kc1/etc/ssh/ssh_host_ed25519_key${end}`, "file"))
    .join("\n"),
  "the links": ["current", "current.new", "old.new", "toplevel.new"]
    .map((name) => link(`kc1/${name}`, "directory"))
    .join("\n"),
  "the image": link("kc1/var.img", "file"),
  "the new image": link("kc1/var.img.pulumi-microvm-new", "directory"),
};

/** An attack uses the original commands, which are not counted. */
const attack = (text: string): string => `(PATH=$REAL_PATH\n${text}\n) || true\n`;

/** The names, contents and modes outside, which must not change. */
function outside(box: Sandbox): Record<string, string> {
  const found: Record<string, string> = {};
  for (const entry of fs.readdirSync(box.path("outside"), { recursive: true, encoding: "utf8" })) {
    const path = box.path(join("outside", entry));
    const { mode } = fs.statSync(path);
    found[entry] = `${mode} ${fs.statSync(path).isFile() ? fs.readFileSync(path, "utf8") : ""}`;
  }
  return found;
}

function prepared(before: Step[]): Sandbox {
  const box = new Sandbox();
  // These files would be written, changed or deleted if a link were followed.
  for (const name of ["file", "directory/var.img", "directory/ssh_host_ed25519_key.new"]) {
    fs.mkdirSync(box.path("outside", "directory", "ssh"), { recursive: true });
    fs.writeFileSync(box.path("outside", name), "ext4 of somebody else\n", { mode: 0o600 });
  }
  for (const step of before) expect(perform(box, step)).toMatchObject({ code: 0 });
  return box;
}

const perform = (box: Sandbox, [name, parameters]: Step): Ran => box.run(name, parameters(box));

const CASES = Object.entries(OPERATIONS).flatMap(([operation, steps]) =>
  steps.names.map((name) => [operation, name, steps, ATTACKS[name] ?? ""] as const),
);

const AT_ANY_POINT = `%s while %s becomes a link, at any point (${SELECTION})`;

test.each(CASES)(AT_ANY_POINT, (operation, name, { before, run }, text) => {
  const box = prepared(before);
  try {
    const untouched = outside(box);
    box.save();
    const { steps } = perform(box, run);
    for (const point of sampledSteps(`${operation}: ${name}`, steps, BETWEEN)) {
      box.restore();
      box.write("attack", `[ "$count" != ${point} ] || ${attack(text)}`);
      const ran = perform(box, run);
      expect({ point, outside: outside(box) }).toEqual({ point, outside: untouched });
      if (ran.code !== 0) expect(ran.output).toMatch(/^n0nce fail \w/m);
    }
  } finally {
    box.remove();
  }
});
