/**
 * An image must contain the data, the file system and the label of its volume. Uses the real
 * e2fsprogs and blkid. The preview reports the same faults as the script on the host.
 */
import { execFileSync } from "node:child_process";
import * as fs from "node:fs";
import { Secret } from "../../provider/wire";
import { MACHINE_ID, keyPair } from "../grpc/scriptedHost";
import { volume } from "./operations";
import { Sandbox } from "./sandbox";
import type { Ran } from "./sandbox";
import { startSandboxHost } from "./sandboxHost";
import { Stack } from "./stack";

jest.setTimeout(60_000);

const MIB = 1024 * 1024;
let box: Sandbox;
let image: string;
let record: string;

beforeEach(() => {
  box = new Sandbox({ realFileSystems: true });
  image = box.path("microvms", "kc1", "var.img");
  record = box.path("state", "volumes", "kc1.var.json");
});
afterEach(() => box.remove());

const apply = (mebibytes: number, more: Record<string, string> = {}): Ran =>
  box.run("volume-apply", volume(box, { bytes: String(mebibytes * MIB), known: "yes", ...more }));

/** Writes the record in the format of older providers, which did not record the size. */
const makeRecordOld = (): void =>
  fs.writeFileSync(record, fs.readFileSync(record, "utf8").replace(/,"bytes":\d+/, ""));

/** Expects a refusal that changes nothing on the host. */
function refused(run: () => Ran, what: RegExp): void {
  const before = { image: fs.readFileSync(image), contents: box.contents() };
  const { code, output } = run();
  expect(code).toBe(1);
  expect(output).toMatch(/^n0nce fail data-loss\t/);
  expect(output).toMatch(what);
  expect(fs.readFileSync(image).equals(before.image)).toBe(true);
  expect(box.contents()).toEqual(before.contents);
}

describe("a truncated image is not grown", () => {
  test.each(["current", "without a size"])("ext4, with a record in format: %s", (format) => {
    expect(apply(16)).toMatchObject({ code: 0 });
    if (format !== "current") makeRecordOld();
    for (const size of [12 * MIB, 1 * MIB, 0]) {
      fs.truncateSync(image, size);
      refused(() => apply(16), /the end is missing|holds no file system/);
      refused(() => apply(32), /the end is missing|holds no file system/);
    }
  });

  test("ext4 without 64bit, also while its VM runs", () => {
    expect(apply(16)).toMatchObject({ code: 0 });
    makeRecordOld();
    execFileSync("mke2fs", ["-q", "-F", "-t", "ext4", "-O", "^64bit", "-L", "kc1-var", image]);
    fs.truncateSync(image, 15 * MIB);
    refused(() => apply(16), /has 15728640 bytes, its file system 16777216: the end/);
    box.write("units/microvm@kc1.service", "");
    refused(() => apply(16), /the end is missing/);
  });

  test("raw, if its record contains the size", () => {
    const raw = { fs: "none", label: "" };
    expect(apply(16, raw)).toMatchObject({ code: 0 });
    fs.truncateSync(image, 15 * MIB);
    refused(() => apply(16, raw), /has 15728640 bytes, but had 16777216: the end is missing/);
    // Without the size, the truncation cannot be detected.
    makeRecordOld();
    expect(apply(16, raw)).toMatchObject({ code: 0 });
  });

  test("an interrupted growth continues, and after a removal the volume may be smaller", () => {
    expect(apply(16)).toMatchObject({ code: 0 });
    const { steps } = apply(32);
    expect(fs.readFileSync(record, "utf8")).toContain(`"phase":"ready","bytes":${32 * MIB}}`);
    for (let killAt = 1; killAt <= steps; killAt++) {
      const more = { bytes: String((32 + killAt) * MIB), known: "yes" };
      box.run("volume-apply", volume(box, more), killAt);
      expect(box.run("volume-apply", volume(box, more))).toMatchObject({ code: 0 });
    }
    expect(box.run("volume-remove", volume(box, { on_delete: "delete" }))).toMatchObject({
      code: 0,
    });
    expect(apply(8)).toMatchObject({ code: 0 });
    expect(fs.statSync(image).size).toBe(8 * MIB);
  });
});

test("an image with another label is refused, because it may belong to another volume", () => {
  expect(apply(8)).toMatchObject({ code: 0 });
  execFileSync("e2label", [image, "kw1-var"]);
  refused(() => apply(8), /has the label kw1-var, not kc1-var; nothing was changed/);
  execFileSync("e2label", [image, "a\nn0nce done"]);
  refused(() => apply(8), /has the label a\?n0nce done, not/);
  execFileSync("e2label", [image, ""]);
  expect(apply(8)).toMatchObject({ code: 0 });
  expect(execFileSync("e2label", [image], { encoding: "utf8" })).toBe("kc1-var\n");
});

describe("a preview", () => {
  const operator = keyPair();
  const common = { host: "hv1", machineId: MACHINE_ID, vm: "kc1", sizeMiB: 8 };
  const path = (name: string): string => `/var/lib/microvms/kc1/${name}.img`;
  const var_ = { ...common, name: "var", image: path("var"), label: "kc1-var" };
  const raw = { ...common, name: "a-raw", image: path("a-raw"), label: "", fsType: "none" };
  const program = { "Volume a-raw": raw, "Volume var": var_ };

  async function withStack(act: (stack: Stack) => Promise<void>): Promise<void> {
    const { ssh } = await startSandboxHost(box, operator.publicKey);
    const hv1 = { address: "127.0.0.1", port: ssh.port, user: "root", hostKey: ssh.hostKey };
    const privateKey = new Secret(operator.privateKey);
    const hosts = JSON.stringify({ hv1 });
    const stack = new Stack("lab", () => ({ hosts, agent: "false", privateKey }));
    try {
      await stack.up(program);
      expect(await stack.preview(program)).toEqual([]);
      await act(stack);
    } finally {
      await ssh.stop();
    }
  }

  test.each<[string, () => void, RegExp]>([
    ["another label", () => execFileSync("e2label", [image, "other"]), /has the label other, not/],
    [
      "another file system",
      () => execFileSync("mkswap", ["-q", image]),
      /holds swap, not ext4; it is never formatted again/,
    ],
    [
      "no file system",
      () => fs.writeFileSync(image, Buffer.alloc(8 * MIB)),
      /holds no file system that blkid knows, not ext4/,
    ],
    ["a part", () => fs.truncateSync(image, 7 * MIB), /is truncated: it had 8 MiB: a part/],
    [
      "a part of a raw one",
      () => fs.truncateSync(box.moved(path("a-raw")), 7 * MIB),
      /a-raw.* is truncated: it had 8 MiB: a part/,
    ],
  ])("reports that an image has %s, and up changes nothing", async (_, put, what) => {
    await withStack(async (stack) => {
      put();
      const before = { contents: box.contents(), journal: box.journal() };
      expect(await stack.preview(program)).toContainEqual(expect.stringMatching(/ content$/));
      await expect(stack.up(program)).rejects.toThrow(what);
      expect({ contents: box.contents(), journal: box.journal() }).toEqual(before);
    });
  });

  test("restores a missing label and accepts any content of a raw volume", async () => {
    await withStack(async (stack) => {
      execFileSync("e2label", [image, ""]);
      execFileSync("mkfs.ext4", ["-q", "-F", "-L", "guest's", box.moved(path("a-raw"))]);
      expect(await stack.preview(program)).toEqual(["Volume var content"]);
      await stack.up(program);
      expect(await stack.preview(program)).toEqual([]);
    });
  });

  test("reports no fault while a running guest may be writing", async () => {
    await withStack(async (stack) => {
      box.write("units/microvm@kc1.service", "");
      fs.symlinkSync(box.moved("/nix/store/x"), box.path("microvms/kc1/current"));
      fs.writeFileSync(image, Buffer.alloc(8 * MIB));
      expect(await stack.preview(program)).toEqual([]);
    });
  });
});
