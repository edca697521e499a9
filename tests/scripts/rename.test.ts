/** Renames VMs and hypervisors with whole passes of a stack on a host in a sandbox. */
import * as fs from "node:fs";
import { Secret } from "../../provider/wire";
import type { ValueMap } from "../../provider/wire";
import { MACHINE_ID, keyPair } from "../grpc/scriptedHost";
import { closure, ours, storePath } from "./operations";
import { makeRecord } from "../../provider/ownership";
import { Sandbox } from "./sandbox";
import { startSandboxHost } from "./sandboxHost";
import type { SandboxHost } from "./sandboxHost";
import { Stack } from "./stack";
import type { Program } from "./stack";

jest.setTimeout(120_000);

const CHECKS = ["kvm", "libvirtd", "bridge", "units", "nix", "clock", "memory", "disk"];
const checks = Object.fromEntries(CHECKS.map((check) => [check, "off"]));
const VOLUMES = ["var", "data"];
const roots = {
  runner: { drvPath: storePath("a.drv"), outPath: storePath("a") },
};

let box: Sandbox;
let host: SandboxHost;
let stack: Stack;
let hosts: Record<string, object>;
const operator = keyPair();

beforeEach(async () => {
  box = new Sandbox();
  host = await startSandboxHost(box, operator.publicKey);
  for (const name of ["a", "b", "system"]) box.addToStore(storePath(name));
  hosts = { hv1: {} };
  const { port, hostKey } = host.ssh;
  const endpoint = { address: "127.0.0.1", port, user: "root", hostKey };
  stack = new Stack("lab", (): ValueMap => ({
    hosts: JSON.stringify(
      Object.fromEntries(
        Object.entries(hosts).map(([name, more]) => [name, { ...endpoint, ...more }]),
      ),
    ),
    agent: "false",
    privateKey: new Secret(operator.privateKey),
  }));
});
afterEach(async () => {
  await host.ssh.stop();
  box.remove();
});

interface Names {
  vm: string;
  renamedFrom?: string;
  hypervisor?: string;
  hypervisorFrom?: string;
  volumes?: string[];
}

/** The resources of a program with one VM. */
function program(names: Names): Program {
  const { vm, renamedFrom, hypervisor = "hv1", hypervisorFrom, volumes = VOLUMES } = names;
  const former = renamedFrom === undefined ? {} : { renamedFrom };
  const common = { host: hypervisor, machineId: MACHINE_ID, ...former };
  const hostFormer = hypervisorFrom === undefined ? {} : { renamedFrom: hypervisorFrom };
  const result: Program = {
    [`Hypervisor ${hypervisor}`]: {
      host: hypervisor,
      bridge: "br0",
      nic: "eno1",
      checks,
      ...hostFormer,
    },
    [`NixClosure ${vm}`]: { ...common, name: vm, roots },
  };
  for (const name of volumes) {
    const image = `/var/lib/microvms/${vm}/${name}.img`;
    const volume = { ...common, vm, name, image, sizeMiB: 1, label: `kc1-${name}` };
    result[`Volume ${vm}-${name}`] = volume;
  }
  const toplevel = storePath("system");
  const runner = storePath(vm === "kc1" ? "a" : "b");
  result[`MicroVm ${vm}`] = { ...common, name: vm, runner, toplevel, running: true };
  return result;
}

function aliasVm(from: string, to: string): void {
  for (const name of VOLUMES) stack.alias(`Volume ${from}-${name}`, `Volume ${to}-${name}`);
  stack.alias(`NixClosure ${from}`, `NixClosure ${to}`);
  stack.alias(`MicroVm ${from}`, `MicroVm ${to}`);
}

/** The closure is already present, so nothing is built. */
async function upFirst(): Promise<void> {
  const urn = "urn:pulumi:lab::model::microvm:index:NixClosure::kc1";
  box.run(
    "closure-apply",
    closure({
      owner: ours(urn),
      record: makeRecord(urn, {}),
      roots: `runner ${box.moved(storePath("a"))}`,
    }),
  );
  await stack.up(program({ vm: "kc1" }));
  for (const name of VOLUMES) writeData(`kc1/${name}.img`, `data of ${name}`);
  expect(await stack.preview(program({ vm: "kc1" }))).toEqual([]);
}

function writeData(image: string, text: string): void {
  const file = fs.openSync(box.path("microvms", image), "r+");
  fs.writeSync(file, text, 4096);
  fs.closeSync(file);
}

const dataOf = (image: string): string =>
  fs.readFileSync(box.path("microvms", image)).subarray(4096, 4110).toString().replace(/\0+$/, "");

const journal = (): string[] =>
  fs.readFileSync(box.path("journal"), "utf8").trim().split("\n").map(withoutId);
const withoutId = (line: string): string => line.replace(/^[^ ]+: /, "");

const isActive = (vm: string): boolean => fs.existsSync(box.path("units", `microvm@${vm}.service`));

/** The objects of a VM on the host, except the journal. */
const pathsOf = (vm: string): string[] =>
  Object.keys(box.contents()).filter((path) => path.split(/[/.]/).includes(vm));

const OUTPUTS = { status: "ready", ownership: "owned" };

async function expectRenamed(names: Names): Promise<void> {
  for (const name of VOLUMES) {
    expect(dataOf(`${names.vm}/${name}.img`)).toBe(`data of ${name}`);
    expect(stack.state.get(`Volume ${names.vm}-${name}`)?.outputs).toMatchObject(OUTPUTS);
  }
  const running = { ...OUTPUTS, running: true, autostart: true };
  expect(stack.state.get(`MicroVm ${names.vm}`)?.outputs).toMatchObject(running);
  expect(pathsOf(names.renamedFrom ?? "")).toEqual([]);
  expect(isActive(names.renamedFrom ?? "")).toBe(false);
  expect(isActive(names.vm)).toBe(true);
  expect(stack.pending(program(names))).toEqual([]);
  expect(await stack.preview(program(names))).toEqual([]);
}

describe("a VM with two volumes", () => {
  const renamed = { vm: "kc9", renamedFrom: "kc1" };

  test("is stopped and started once, with its data and key, and can be renamed back", async () => {
    await upFirst();
    const key = fs.readFileSync(box.path("microvms/kc1/etc/ssh/ssh_host_ed25519_key"), "utf8");
    const before = { contents: box.contents(), lines: journal() };
    aliasVm("kc1", "kc9");
    const changes = await stack.preview(program(renamed));
    expect(changes).toContain("MicroVm kc9 name");
    expect(changes.filter((change) => change.includes("created"))).toEqual([]);
    expect({ contents: box.contents(), lines: journal() }).toEqual(before);

    await stack.up(program(renamed));
    await expectRenamed(renamed);
    const since = journal().slice(before.lines.length);
    expect(since.filter((line) => line.startsWith("renaming"))).toEqual(["renaming kc1 to kc9"]);
    expect(since.filter((line) => line.startsWith("starting kc9"))).toEqual(["starting kc9"]);
    expect(fs.readFileSync(box.path("microvms/kc9/etc/ssh/ssh_host_ed25519_key"), "utf8")).toBe(
      key,
    );
    // The site may remove `renamedFrom` now.
    expect(await stack.preview(program({ vm: "kc9" }))).toEqual([]);

    aliasVm("kc9", "kc1");
    const back = { vm: "kc1", renamedFrom: "kc9" };
    await stack.up(program(back));
    await expectRenamed(back);
  });

  test.each([5, 8, 14, 20, 26])(
    "is renamed by the next up if the rename is killed at step %i",
    async (killAt) => {
      await upFirst();
      aliasVm("kc1", "kc9");
      // After the update of its closure.
      Object.assign(host, { pass: 1, killAt });
      await expect(stack.up(program(renamed))).rejects.toThrow();
      // The state has the old name. A refresh does not report the resource as gone.
      await stack.refresh();
      expect([...stack.state.keys()].sort()).toEqual(Object.keys(program(renamed)).sort());
      await stack.up(program(renamed));
      await expectRenamed(renamed);
    },
  );

  test("does not change if the new name is in use", async () => {
    await upFirst();
    fs.mkdirSync(box.path("microvms/kc9"));
    fs.symlinkSync(storePath("x"), box.path("microvms/kc9/current"));
    aliasVm("kc1", "kc9");
    const before = pathsOf("kc1").filter((path) => !path.includes("gcroots/pulumi-microvm"));
    await expect(stack.up(program(renamed))).rejects.toThrow(
      "VM kc1 can't be renamed to kc9: the host has a VM or images of that name already",
    );
    expect(isActive("kc1")).toBe(true);
    expect(pathsOf("kc1")).toEqual(
      expect.arrayContaining(before.filter((path) => !path.includes("closures"))),
    );
  });

  test("is refused if its records are lost", async () => {
    await upFirst();
    for (const kind of ["vms", "volumes"]) fs.rmSync(box.path("state", kind), { recursive: true });
    aliasVm("kc1", "kc9");
    await expect(stack.up(program(renamed))).rejects.toThrow("this stack has no record of it");
    expect(dataOf("kc1/var.img")).toBe("data of var");
  });

  test("a volume that leaves the site in the same up is handled by its onDelete", async () => {
    await upFirst();
    aliasVm("kc1", "kc9");
    stack.alias("Volume kc9-data", "Volume kc1-data");
    await stack.up(program({ ...renamed, volumes: ["var"] }));
    expect(dataOf("kc9/data.img")).toBe("data of data");
    const record = fs.readFileSync(box.path("state/volumes/kc9.data.json"), "utf8");
    expect(record).toContain('"phase":"retained"');
  });
});

test("a hypervisor is renamed, and its VMs do not change", async () => {
  await upFirst();
  const before = { lines: journal(), paths: pathsOf("kc1") };
  hosts = { hv9: { renamedFrom: "hv1" } };
  stack.alias("Hypervisor hv1", "Hypervisor hv9");
  const names = { vm: "kc1", hypervisor: "hv9", hypervisorFrom: "hv1" };
  expect(await stack.preview(program(names))).toContain("MicroVm kc1 host");
  // A volume that leaves the site is still recorded under the old name of the host.
  await stack.up(program({ ...names, volumes: ["var"] }));
  const since = journal().slice(before.lines.length);
  expect(since).toEqual(["claiming this host", expect.stringMatching(/^keeping volume kc1.data/)]);
  expect(pathsOf("kc1")).toEqual(before.paths);
  expect(await stack.preview(program({ ...names, volumes: ["var"] }))).toEqual([]);
  const claim = fs.readFileSync(box.path("state/hosts/host.json"), "utf8");
  expect(claim).toContain("Hypervisor::hv9");
});
