/** What the compiled program loads before it does anything: components/pulumi.ts says why it matters. */
import { execFileSync } from "node:child_process";
import { resolve } from "node:path";

const program = resolve(__dirname, "..", "..", "bin", "index.js");

/** The packages whose files Node has loaded behind `main`. */
function packagesLoadedBy(main: string): string[] {
  const script = `require(${JSON.stringify(main)}); console.log(Object.keys(require.cache).join("\\n"))`;
  const files = execFileSync(process.execPath, ["-e", script], { encoding: "utf8" });
  const names = files.split("\n").flatMap((file) => {
    const name = /.*\/node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(file)?.[1];
    return name === undefined ? [] : [name];
  });
  return [...new Set(names)];
}

test("is the part of Pulumi's SDK that it uses, and no plugin's SDK", () => {
  const loaded = packagesLoadedBy(program);
  expect(loaded).toEqual(expect.arrayContaining(["@pulumi/pulumi", "yaml", "zod"]));
  for (const name of ["typescript", "@npmcli/arborist", "@pulumi/command"]) {
    expect(loaded).not.toContain(name);
  }
});

test("would be more by the SDK's index", () => {
  const index = resolve(__dirname, "..", "..", "node_modules", "@pulumi", "pulumi");
  expect(packagesLoadedBy(index)).toEqual(
    expect.arrayContaining(["typescript", "@npmcli/arborist"]),
  );
});
