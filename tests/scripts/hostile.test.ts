/**
 * The directories below /var/lib/microvms are not root's alone: user `microvm` owns them, and a guest's root
 * writes in its /etc share. Whatever they put there, and whenever, nothing outside is written.
 */
import * as fs from "node:fs";
import { join } from "node:path";
import { storePath, vm, volume } from "./operations";
import { Sandbox } from "./sandbox";
import type { Ran } from "./sandbox";
import { SELECTION, sampledSteps } from "../selection";

/** Points of an operation that a sample has, beside the first and the last. */
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
  /** What it writes to. */
  names: string[];
}
const links = ["the VM's directory", "the links"];
const images = ["the VM's directory", "the image", "the image that is being made"];
const share = ["the share", "the share's ssh directory", "the key's files"];

const OPERATIONS: Record<string, Operation> = {
  "a VM is made": { before: [], run: applyVm, names: [...links, ...share] },
  "a VM gets another runner": { before: [applyVm, confirmVm], run: changeVm, names: links },
  "a VM is put back": {
    before: [applyVm, confirmVm, changeVm],
    run: ["microvm-settle", () => vm({ outcome: "failed" })],
    names: links,
  },
  "a VM is removed": { before: [applyVm], run: ["microvm-remove", () => vm()], names: links },
  "a volume is made": { before: [], run: applyVolume, names: images },
  "a volume grows": {
    before: [applyVolume],
    run: ["volume-apply", (box) => volume(box, { bytes: "131072", known: "yes" })],
    names: images,
  },
  "a volume goes to the trash": {
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

/** Each name becomes a link to a file or a directory outside. `$BOX` is the sandbox; the shell is root's here. */
const link = (name: string, to: string): string =>
  `(cd "$BOX/microvms" && rm -rf ${name} && mkdir -p $(dirname ${name}) && ln -s "$BOX/outside/${to}" ${name}) 2>/dev/null`;

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
  "the image that is being made": link("kc1/var.img.pulumi-microvm-new", "directory"),
};

/** Commands of an attack are the real ones, and not counted. */
const attack = (text: string): string => `(PATH=$REAL_PATH\n${text}\n) || true\n`;

/** What lies outside and must stay: its names, contents and modes. */
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
  // What would be written, changed or deleted if a link were followed.
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
