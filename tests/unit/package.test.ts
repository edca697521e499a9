/** The package, the flake's tag and the template are released together, with one version. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { OLDEST_NODE } from "../../components/nodeVersion";

const checkout = join(__dirname, "..", "..");
const read = (...path: string[]): string => readFileSync(join(checkout, ...path), "utf8");
const versions = z.record(z.string(), z.string()).default({});
const manifest = z.object({
  version: z.string().optional(),
  main: z.string(),
  exports: z.object({ ".": z.object({ node: z.string(), default: z.string() }) }).optional(),
  engines: z.object({ node: z.string() }),
  dependencies: versions,
  peerDependencies: versions,
});
const ours = manifest.parse(JSON.parse(read("package.json")));
const template = manifest.parse(JSON.parse(read("templates", "site", "package.json")));

test("the changelog starts with the version of the package", () => {
  expect(/^## (\S+)/m.exec(read("CHANGELOG.md"))?.[1]).toBe(ours.version);
});

test("the template uses this version, as a package and as a flake", () => {
  expect(template.dependencies["pulumi-microvm"]).toBe(`^${ours.version}`);
  expect(read("templates", "site", "flake.nix")).toContain(`?ref=refs/tags/v${ours.version}"`);
});

test("the template has the SDK that the package asks for, and the same Node", () => {
  expect(ours.peerDependencies["@pulumi/pulumi"]).toBeDefined();
  expect(template.dependencies["@pulumi/pulumi"]).toBe(ours.peerDependencies["@pulumi/pulumi"]);
  expect(template.engines).toEqual(ours.engines);
});

test("the program requires the Node that the package asks for", () => {
  expect(ours.engines.node).toBe(`>=${OLDEST_NODE}`);
  expect(read("lab", "prepare.sh")).toContain(`\nNODE_MAJOR=${OLDEST_NODE}\n`);
});

test("the SDK is the user's, so that a program has one copy", () => {
  expect(Object.keys(ours.dependencies)).not.toContain("@pulumi/pulumi");
});

test("both projects require the same version of Pulumi, and no version of the provider", () => {
  const required = /^requiredPulumiVersion: (.*)$/m;
  const project = read("templates", "site", "Pulumi.yaml");
  expect(required.exec(project)?.[1]).toBe('">=3.256.0"');
  expect(required.exec(read("Pulumi.yaml"))?.[1]).toBe('">=3.256.0"');
  expect(project).not.toMatch(/^\s+version:/m);
});

test("Pulumi runs the program of this checkout, and importers get the library", () => {
  // cmd/run of Pulumi's SDK takes `default` of the exports instead of `main`. The library registers
  // nothing: run as a program, it would have `up` delete the whole stack.
  expect(ours.exports?.["."]).toEqual({ node: "./bin/library.js", default: "./bin/index.js" });
  expect(ours.main).toBe("bin/index.js");
  expect(template.exports).toBeUndefined();
});
