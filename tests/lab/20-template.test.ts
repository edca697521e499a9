/** A user's own repository, from the template to the removal of its last VM. */
import { mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, statSync } from "node:fs";
import { renameSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { z } from "zod";
import { PROJECT, bootId, on, releaseHosts, removeVolumes, shortName } from "./lab";
import { UserRepository, ok } from "./userRepository";

const user = new UserRepository();
const scratch = mkdtempSync(join(tmpdir(), "pulumi-microvm-template-"));

beforeAll(async () => {
  await releaseHosts();
  await removeVolumes();
  await user.makeByNix();
});
afterAll(async () => {
  await user.remove();
  await removeVolumes();
  rmSync(scratch, { recursive: true, force: true });
});

const planSchema = z.object({
  steps: z.array(
    z.looseObject({
      op: z.string(),
      urn: z.string(),
      detailedDiff: z.record(z.string(), z.unknown()).nullish(),
    }),
  ),
});

/** The planned changes: `MicroVm kw1` -> what, and which properties. */
async function plan(...settings: string[]): Promise<Record<string, string>> {
  const { code, stdout, text } = await user.pulumi(["preview", "--json"], settings);
  if (code !== 0) throw new Error(text);
  const { steps } = planSchema.parse(JSON.parse(stdout.slice(stdout.indexOf("{"))));
  return Object.fromEntries(
    steps
      .filter(({ op }) => !["same", "refresh", "read"].includes(op))
      .map(({ op, urn, detailedDiff }) => [
        shortName(urn),
        [op, ...Object.keys(detailedDiff ?? {}).sort()].join(" "),
      ]),
  );
}

/** Path -> content, and whether it can be executed. */
function contents(directory: string): Record<string, string> {
  const files = readdirSync(directory, { recursive: true, withFileTypes: true }).filter((entry) =>
    entry.isFile(),
  );
  return Object.fromEntries(
    files.map((entry) => {
      const path = join(entry.parentPath, entry.name);
      return [relative(directory, path), readFileSync(path, "utf8")];
    }),
  );
}

const SCRIPT = join("plugins", "pulumi-resource-microvm");

test("nix flake new and pulumi new make the same files, but for the project's name", async () => {
  const other = await user.makeByPulumi("another-site");
  const { "Pulumi.yaml": project = "", ...files } = contents(other);
  const { "Pulumi.yaml": ours = "", ...expected } = contents(user.directory);
  expect(files).toEqual(expected);
  expect(Object.keys(files)).toEqual(expect.arrayContaining([SCRIPT, ".gitignore", "flake.nix"]));
  expect(project).toMatch(/^name: another-site$/m);
  expect(project).toMatch(/^requiredPulumiVersion: .*3\.256\.0/m);
  expect(ours).toMatch(/^name: my-site$/m);
});

test("npm installs the package, and makes the provider's script executable", async () => {
  await user.install();
  user.pointAtLab();
  expect(statSync(join(user.directory, SCRIPT)).mode & 0o111).toBe(0o111);
  await ok(user.pulumi(["stack", "init"]));
});

/** Records each loaded file at once, because a plugin can be ended at any time. */
const RECORD_LOADS = `
const { appendFileSync } = require("node:fs");
const Module = require("node:module");
const { load } = Module.prototype;
Module.prototype.load = function (file) {
  appendFileSync(process.env.LOADS + "/" + process.pid, file + "\\n");
  return load.call(this, file);
};
`;

test("a preview has the whole plan, and runs nothing of our checkout", async () => {
  const hook = join(scratch, "loads.cjs");
  const loads = join(scratch, "loads");
  writeFileSync(hook, RECORD_LOADS);
  mkdirSync(loads);
  const planned = await plan(`NODE_OPTIONS=--require=${hook}`, `LOADS=${loads}`);
  expect(planned).toMatchObject({
    "Hypervisor hv1": "create",
    "Hypervisor hv2": "create",
    "Volume kw1-var": "create",
    "MicroVm kc1": "create",
    "MicroVm kw1": "create",
    "MicroVm kw2": "create",
  });
  const files = readdirSync(loads).map((name) => readFileSync(join(loads, name), "utf8"));
  const loaded = files.join("").trim().split("\n");
  const installed = join(user.directory, "node_modules", "pulumi-microvm", "bin");
  expect(loaded).toContain(join(user.directory, "index.js"));
  expect(loaded).toContain(join(installed, "library.js"));
  expect(loaded).toContain(join(installed, "provider", "main.js"));
  // The lab's stand-in of another plugin, where the official one cannot be downloaded.
  const standIn = (file: string): boolean => /\/bin\/lab\/plugins\/|\/node_modules\//.test(file);
  const ours = loaded.filter((file) => file.startsWith(`${PROJECT}/`));
  expect(ours.filter((file) => !standIn(file))).toEqual([]);
}, 120_000);

test("up makes the VMs, and then there is nothing to do", async () => {
  await ok(user.pulumi(["up", "--yes", "--skip-preview"]));
  expect(await on("kw1", "cat /etc/hostname")).toBe("kw1");
  expect(await plan()).toEqual({});
}, 200_000);

test("an edit of the site file changes one VM", async () => {
  const before = { kw1: await bootId("kw1"), kw2: await bootId("kw2") };
  user.edit({ "vms.kw1.memory": "224MiB" });
  expect(Object.keys(await plan()).sort()).toEqual([
    "Hypervisor hv1",
    "MicroVm kw1",
    "NixClosure kw1",
  ]);
  await ok(user.pulumi(["up", "--yes", "--skip-preview"]));
  expect(await bootId("kw1")).not.toBe(before.kw1);
  expect(await bootId("kw2")).toBe(before.kw2);
}, 200_000);

const OWN_PROGRAM = `
const { Site, siteArgs } = require("pulumi-microvm");
module.exports = async () => {
  const transform = ({ type, name, props, opts }) =>
    type === "microvm:index:MicroVm" && name === "kw2"
      ? { props: { ...props, restart: "by a transform" }, opts }
      : undefined;
  const options = { protect: true, transforms: [transform] };
  const { vms } = new Site("prod", await siteArgs(), options);
  return { addresses: vms.apply((all) => Object.values(all).map(({ address }) => address)) };
};
`;

test("a program of the user's own can transform the resources of a Site", async () => {
  const program = user.read("index.js");
  user.write("index.js", OWN_PROGRAM);
  const planned = await plan();
  user.write("index.js", program);
  expect(planned).toEqual({ "MicroVm kw2": "update restart" });
});

test("a linked package works, with a copy of Pulumi's SDK of its own", async () => {
  const installed = join(user.directory, "node_modules", "pulumi-microvm");
  const elsewhere = join(scratch, "pulumi-microvm");
  renameSync(installed, elsewhere);
  symlinkSync(elsewhere, installed);
  symlinkSync(join(PROJECT, "node_modules"), join(elsewhere, "node_modules"));
  await ok(user.pulumi(["preview", "--expect-no-changes"]));
  rmSync(installed);
  rmSync(join(elsewhere, "node_modules"));
  renameSync(elsewhere, installed);
});

test("a link to a big tree is reported", async () => {
  const link = join(user.directory, "result");
  symlinkSync(join(PROJECT, "node_modules"), link);
  const text = await ok(user.pulumi(["preview"]));
  rmSync(link);
  expect(text).toMatch(/warning: result links to .*node_modules: .*nix build --no-link/);
});

test("destroy removes everything but the volumes", async () => {
  await ok(user.pulumi(["destroy", "--yes", "--skip-preview"]));
  for (const host of ["hv1", "hv2"]) {
    const left = await on(
      host,
      "ls /var/lib/pulumi-microvm/vms 2>/dev/null; systemctl list-units -q 'microvm@*'",
    );
    expect(left).toBe("");
  }
  expect(await on("hv1", "ls /var/lib/microvms/kw1")).toContain("var.img");
}, 120_000);
