/**
 * Which packages the compiled program loads at its start. components/pulumi.ts explains the
 * reasons.
 */
import { execFileSync } from "node:child_process";
import { resolve } from "node:path";

const compiled = (...path: string[]): string => resolve(__dirname, "..", "..", "bin", ...path);
const program = compiled("index.js");

/** The packages whose files Node loads with `main`. */
function packagesLoadedBy(main: string): string[] {
  const loaded = `Object.keys(require.cache).join("\\n")`;
  const script = `require(${JSON.stringify(main)}); console.log(${loaded})`;
  const files = execFileSync(process.execPath, ["-e", script], { encoding: "utf8" });
  const names = files.split("\n").flatMap((file) => {
    const name = /.*\/node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(file)?.[1];
    return name === undefined ? [] : [name];
  });
  return [...new Set(names)];
}

test("the program loads only the used part of Pulumi's SDK and no SDK of a plugin", () => {
  const loaded = packagesLoadedBy(program);
  expect(loaded).toEqual(expect.arrayContaining(["@pulumi/pulumi", "yaml", "zod"]));
  for (const name of ["typescript", "@npmcli/arborist", "@pulumi/command", "@pulumi/kubernetes"]) {
    expect(loaded).not.toContain(name);
  }
});

test("the index of the SDK loads more packages", () => {
  const index = resolve(__dirname, "..", "..", "node_modules", "@pulumi", "pulumi");
  expect(packagesLoadedBy(index)).toEqual(
    expect.arrayContaining(["typescript", "@npmcli/arborist"]),
  );
});

test("the provider loads what only a cluster needs with the first use", () => {
  const loaded = packagesLoadedBy(compiled("provider", "server.js"));
  expect(loaded).toEqual(expect.arrayContaining(["@grpc/grpc-js", "ssh2"]));
  for (const name of ["@kubernetes/client-node", "ws", "yaml"]) expect(loaded).not.toContain(name);
});
