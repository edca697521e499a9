/**
 * Images on another file system than /var/lib: a move to the trash copies the image to /var/lib,
 * and growth requires space on the file system of the image. Uses the real e2fsprogs. Mounts
 * require root.
 */
import { createHash } from "node:crypto";
import { execFileSync } from "node:child_process";
import * as fs from "node:fs";
import { join } from "node:path";
import { wrap } from "./background";
import { DataDisk, SmallDisk } from "./disk";
import { volume } from "./operations";
import { Sandbox } from "./sandbox";
import type { Ran } from "./sandbox";

jest.setTimeout(180_000);

const MIB = 1024 * 1024;
const IMAGE_MIB = 8;

let box: Sandbox;
let data: DataDisk;
let disk: SmallDisk | undefined;

/** `states`: size of the file system of /var/lib in MiB. Unlimited if absent. */
function begin(mebibytes = 64, states?: number): void {
  box = new Sandbox({ realFileSystems: true });
  data = new DataDisk(box, mebibytes);
  disk = states === undefined ? undefined : new SmallDisk(box, states);
}

function end(): void {
  data.remove();
  disk?.remove();
  box.remove();
}

afterEach(end);

/** The volume of operations.ts, with its image on the other file system. */
function there(mebibytes = IMAGE_MIB, more: Record<string, string> = {}): Record<string, string> {
  const { record = "", ...parameters } = volume(box, { bytes: String(mebibytes * MIB) });
  const path = image();
  return {
    ...parameters,
    image: path,
    record: record.replace(box.path("microvms", "kc1", "var.img"), path),
    ...more,
  };
}

const image = (): string => join(data.directory, "kc1", "var.img");
const recordFile = (): string => box.path("state", "volumes", "kc1.var.json");
const sum = (path: string): string =>
  createHash("sha256").update(fs.readFileSync(path)).digest("hex");

const known = (): Record<string, string> => there(IMAGE_MIB, { known: "yes" });
const toTrash = (killAt = 0): Ran =>
  box.run("volume-remove", there(IMAGE_MIB, { on_delete: "trash" }), killAt);

function trash(): string[] {
  const directory = box.path("state", "trash");
  return fs.existsSync(directory) ? fs.readdirSync(directory).sort() : [];
}

/** Creates a volume with data. Returns the hash of its image. */
function made(mebibytes?: number, states?: number): string {
  begin(mebibytes, states);
  expect(box.run("volume-apply", there())).toMatchObject({ code: 0 });
  expect(fs.statSync(image()).dev).not.toBe(fs.statSync(recordFile()).dev);
  // After the first blocks of the file system, and at its end: an incomplete copy lacks the end.
  return write("kept", 3 * MIB, IMAGE_MIB * MIB - 4);
}

/** Writes into the image. Returns its hash. */
function write(text: string | Buffer, ...places: number[]): string {
  const file = fs.openSync(image(), "r+");
  for (const place of places) fs.writeSync(file, Buffer.from(text), 0, undefined, place);
  fs.closeSync(file);
  return sum(image());
}

/** The complete image is in the trash and nowhere else. */
function expectTrashed(hash: string): void {
  const [file = "", record = "", ...more] = trash();
  expect(file).toMatch(/^kc1\.var-\w+\.img$/);
  expect(record).toMatch(/^kc1\.var-\w+\.json$/);
  expect(more).toEqual([]);
  expect(sum(box.path("state", "trash", file))).toBe(hash);
  expect(fs.existsSync(image())).toBe(false);
  expect(fs.existsSync(recordFile())).toBe(false);
}

/** The complete image is at its place, and nothing of it is in the trash. */
function expectBack(hash: string): void {
  expect(fs.readdirSync(join(data.directory, "kc1"))).toEqual(["var.img"]);
  expect(sum(image())).toBe(hash);
  expect(fs.readFileSync(recordFile(), "utf8")).toContain('"phase":"ready"');
  expect(trash()).toEqual([]);
}

describe("a volume that is moved to the trash on another file system", () => {
  /** The number of counted commands of the whole removal. */
  function steps(): number {
    const hash = made();
    const ran = toTrash();
    expect(ran).toMatchObject({ code: 0 });
    expectTrashed(hash);
    end();
    return ran.steps;
  }

  test("and is killed before any step, is completely moved by the next run", () => {
    const all = steps();
    expect(all).toBeGreaterThan(5);
    for (let killAt = 1; killAt <= all; killAt++) {
      if (killAt > 1) end();
      const hash = made();
      expect(toTrash(killAt)).toMatchObject({ killed: true });
      expect(toTrash()).toMatchObject({ code: 0 });
      expectTrashed(hash);
    }
  });

  test("and is killed before any step, is intact if the site wants it again", () => {
    const all = steps();
    for (let killAt = 1; killAt <= all; killAt++) {
      if (killAt > 1) end();
      const hash = made();
      expect(toTrash(killAt)).toMatchObject({ killed: true });
      expect(box.run("volume-apply", known())).toMatchObject({ code: 0 });
      // After the last step the record is gone. The volume is then a new one, and the old one is
      // kept.
      if (trash().some((name) => name.endsWith(".json"))) continue;
      expectBack(hash);
    }
  });

  /** The state after `mv` was killed: a partial copy, or a complete copy and the original. */
  const CUT = {
    "during the copy": 'head -c 1000000 "$2" >"$3"',
    "before the original is removed": 'cp -- "$2" "$3"',
  };
  const cutMove = (how: string, from: string): void =>
    wrap(box, "mv", `case "$*" in "-T "*${from}*) ${how}; kill -KILL 0 ;; esac\nexec "$STUB" "$@"`);
  const wholeMove = (): void => wrap(box, "mv", 'exec "$STUB" "$@"');

  describe.each(Object.entries(CUT))("and is killed %s", (_, how) => {
    let hash: string;
    beforeEach(() => {
      hash = made();
      cutMove(how, "./var.img");
      expect(toTrash()).toMatchObject({ killed: true });
      expect(sum(image())).toBe(hash);
      wholeMove();
    });

    test("is completely moved by the next run", () => {
      expect(toTrash()).toMatchObject({ code: 0 });
      expectTrashed(hash);
    });

    test("is intact if the site wants it again", () => {
      expect(box.run("volume-apply", known())).toMatchObject({ code: 0 });
      expectBack(hash);
    });

    test("is completely moved back, even if that is killed too", () => {
      // The image is in the trash, and the record is still at its place.
      wrap(box, "mv", 'case "$*" in *.json*.json) kill -KILL 0 ;; esac\nexec "$STUB" "$@"');
      expect(toTrash()).toMatchObject({ killed: true });
      expect(fs.existsSync(image())).toBe(false);
      cutMove(how, "pulumi-microvm-back");
      expect(box.run("volume-apply", known())).toMatchObject({ killed: true });
      wholeMove();
      expect(box.run("volume-apply", known())).toMatchObject({ code: 0 });
      expectBack(hash);
    });
  });

  test("stays in place without partial copies if the trash has no space", () => {
    made(64, 4);
    const hash = write(Buffer.alloc(6 * MIB, "data"), 2 * MIB);
    const free = (): number => fs.statfsSync(box.path("state")).bavail;
    const before = free();
    const { code, output } = toTrash();
    expect(code).toBe(1);
    expect(output).toMatch(/fail operation\t.*No space left on device\tFree some space/);
    expect(sum(image())).toBe(hash);
    expect(trash()).toEqual([]);
    expect(free()).toBeGreaterThan(before - 8);
    expect(box.run("volume-apply", known())).toMatchObject({ code: 0 });
    expectBack(hash);
  });
});

describe("a volume that grows on another file system", () => {
  const grow = (mebibytes: number): Ran =>
    box.run("volume-apply", there(mebibytes, { known: "yes" }));

  test("needs space there, and none in /var/lib", () => {
    made(64, 4);
    disk?.leave("blocks", 32);
    expect(grow(32)).toMatchObject({ code: 0 });
    expect(fs.statSync(image()).size).toBe(32 * MIB);
    execFileSync("e2fsck", ["-f", "-n", image()], { stdio: "ignore" });
  });

  test("is refused without space there, and does not change", () => {
    const hash = made(12, 64);
    const { code, output } = grow(512);
    expect(code).toBe(1);
    expect(output).toMatch(
      /fail operation\tvolume .* can't grow: it may need \d+ KiB, \d+ KiB are free/,
    );
    expect(sum(image())).toBe(hash);
    expect(box.run("volume-apply", known())).toMatchObject({ code: 0 });
    expectBack(hash);
  });
});
