/** A volume under a new name keeps its image. Runs whole passes of a stack in a sandbox. */
import * as fs from "node:fs";
import { Secret } from "../../provider/wire";
import type { ValueMap } from "../../provider/wire";
import { MACHINE_ID, keyPair } from "../grpc/scriptedHost";
import { Sandbox } from "./sandbox";
import { startSandboxHost } from "./sandboxHost";
import type { SandboxHost } from "./sandboxHost";
import { Stack } from "./stack";
import type { Program } from "./stack";

jest.setTimeout(120_000);

const IMAGE = "/var/lib/microvms/kc1/var.img";
const operator = keyPair();
let box: Sandbox;
let host: SandboxHost;
let stack: Stack;

beforeEach(async () => {
  box = new Sandbox();
  host = await startSandboxHost(box, operator.publicKey);
  const { port, hostKey } = host.ssh;
  const hv1 = { address: "127.0.0.1", port, user: "root", hostKey };
  stack = new Stack("lab", (): ValueMap => ({
    hosts: JSON.stringify({ hv1 }),
    agent: "false",
    privateKey: new Secret(operator.privateKey),
  }));
  await stack.up(program("var"));
  const file = fs.openSync(imagePath(), "r+");
  fs.writeSync(file, "precious", 4096);
  fs.closeSync(file);
});
afterEach(async () => {
  await host.ssh.stop();
  box.remove();
});

const imagePath = (): string => box.path("microvms/kc1/var.img");
const recordPath = (name: string): string => box.path(`state/volumes/kc1.${name}.json`);
const record = (name: string): string => fs.readFileSync(recordPath(name), "utf8");
const hasRecord = (name: string): boolean => fs.existsSync(recordPath(name));

/** A site with one volume of kc1, whose image and label are those of the first one. */
function program(name: string, more: ValueMap = {}): Program {
  const volume = { host: "hv1", machineId: MACHINE_ID, vm: "kc1", name, image: IMAGE };
  return { [`Volume kc1-${name}`]: { ...volume, sizeMiB: 1, label: "kc1-var", ...more } };
}

async function expectTakenOver(name: string, former: string): Promise<void> {
  expect(fs.readFileSync(imagePath()).subarray(4096, 4104).toString()).toBe("precious");
  expect(record(name)).toContain(`Volume::kc1-${name}"`);
  expect(record(name)).toContain('"phase":"ready","bytes":1048576}');
  expect(hasRecord(former)).toBe(false);
  expect([...stack.state.keys()]).toEqual([`Volume kc1-${name}`]);
  expect(await stack.preview(program(name))).toEqual([]);
}

test("the new name takes the image over before the old one is deleted, and back", async () => {
  await stack.up(program("data"));
  await expectTakenOver("data", "var");
  await stack.up(program("var"));
  await expectTakenOver("var", "data");
  const lines = box.journal().filter((line) => line.includes("taking over"));
  expect(lines).toHaveLength(2);
});

test("so does a name that comes after the old volume has left", async () => {
  await stack.up({});
  expect(record("var")).toContain('"phase":"retained"');
  await stack.up(program("data"));
  await expectTakenOver("data", "var");
});

test("an image that is taken over can grow in the same up", async () => {
  await stack.up(program("data", { sizeMiB: 2 }));
  expect(fs.statSync(imagePath()).size).toBe(2 * 1024 * 1024);
  expect(hasRecord("var")).toBe(false);
});

test.each([8, 11, 14, 17])("killed at step %i, the next up finishes it", async (killAt) => {
  Object.assign(host, { pass: 0, killAt });
  await expect(stack.up(program("data"))).rejects.toThrow();
  await stack.up(program("data"));
  await expectTakenOver("data", "var");
});

test("a crash that leaves both records loses no data, also with onDelete: delete", async () => {
  const both = record("var");
  await stack.up(program("data"));
  fs.writeFileSync(recordPath("var"), both.replace('"onDelete":"retain"', '"onDelete":"delete"'));
  const volume = program("var", { onDelete: "delete" })["Volume kc1-var"] ?? {};
  stack.state.set("Volume kc1-var", {
    id: "hv1/kc1.var",
    inputs: { ...volume, fsType: "ext4" },
    outputs: { ...volume, status: "ready", ownership: "owned", content: "as stated" },
    failed: false,
  });
  await stack.up(program("data"));
  await expectTakenOver("data", "var");
});

test("the old name comes back while both are in the state", async () => {
  const old = stack.state.get("Volume kc1-var");
  await stack.up(program("data"));
  if (old !== undefined) stack.state.set("Volume kc1-var", old);
  await stack.up(program("var"));
  await expectTakenOver("var", "data");
});

describe("is refused, and nothing is changed", () => {
  async function expectRefused(site: Program, message: string): Promise<void> {
    const before = box.contents();
    await expect(stack.up(site)).rejects.toThrow(message);
    expect(box.contents()).toEqual(before);
  }

  test("where the label is another one", () =>
    expectRefused(program("data", { label: "kc1-data" }), "Set it in the site: label: kc1-var"));

  test("where the old volume's image would go", async () => {
    await stack.up(program("var", { onDelete: "trash" }));
    await expectRefused(program("data"), "volume kc1.var, which has onDelete: trash");
  });

  test("where work on it was interrupted", async () => {
    const text = record("var").replace('"phase":"ready"', '"phase":"growing"');
    fs.writeFileSync(recordPath("var"), text);
    await expectRefused(program("data"), "whose last operation was interrupted (growing)");
  });

  test("where the image belongs to a volume of another stack", async () => {
    fs.writeFileSync(recordPath("var"), record("var").replace("pulumi:lab::", "pulumi:prod::"));
    stack.state.clear();
    await expectRefused(program("data"), "exists, and no stack recorded making it");
  });

  test("where it belongs to a volume of another VM", async () => {
    stack.state.clear();
    const volume = program("data")["Volume kc1-data"] ?? {};
    await expectRefused(
      { "Volume kc2-data": { ...volume, vm: "kc2" } },
      "exists, and no stack recorded making it",
    );
  });
});
