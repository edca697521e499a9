/** lab/prepare.sh provides a Node that is new enough. npm and the machine's own Node are stubs. */
import { execFile } from "node:child_process";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { z } from "zod";

const checkout = resolve(__dirname, "../../..");
const prepare = join(checkout, "lab", "prepare.sh");
const text = readFileSync(prepare, "utf8");
const MAJOR = /^NODE_MAJOR=(\d+)$/m.exec(text)?.[1] ?? "";
const VERSION = /^NODE_VERSION=(\S+)$/m.exec(text)?.[1] ?? "";

let root: string;
const at = (...names: string[]): string => join(root, ...names);
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "pulumi-microvm-node-"));
  mkdirSync(at("bin"));
});
afterEach(() => rmSync(root, { recursive: true }));

function stub(name: string, script: string): void {
  writeFileSync(at("bin", name), `#!/bin/sh\n${script}\n`, { mode: 0o755 });
}

/** A node that prints its version, or only its major number. */
const nodeOf = (version: string): string =>
  `case $1 in -p) echo ${version.split(".")[0] ?? ""} ;; *) echo v${version} ;; esac`;

/** Installs a package with this `node`. `slow` and `fault` are commands. */
function stubNpm(node: string, { slow = "", fault = "" } = {}): void {
  stub(
    "npm",
    `echo x >>${at("installs")}
while [ $# -gt 1 ]; do [ "$1" != --prefix ] || prefix=$2; shift; done
made=$prefix/node_modules/\${1%@*}/bin
mkdir -p "$made"
${slow}
${fault}
printf '%s\\n' '#!/bin/sh' '${node.replaceAll("'", "'\\''")}' >"$made/node"
chmod 0755 "$made/node"`,
  );
}

/** The version of node on PATH after `ensure_node`, or its error. */
function ensured(): Promise<string> {
  const script = `set -eu; cache=$1; . ${prepare}; ensure_node; node --version`;
  const env = { PATH: `${at("bin")}:/usr/bin:/bin`, HOME: root };
  return new Promise((done) => {
    execFile("sh", ["-c", script, "sh", at("cache")], { env }, (error, stdout, stderr) =>
      done(error === null ? stdout.trim() : `failed: ${stderr}`),
    );
  });
}

const installs = (): number =>
  existsSync(at("installs")) ? readFileSync(at("installs"), "utf8").trim().split("\n").length : 0;
const cached = (): string[] =>
  existsSync(at("cache", "node")) ? readdirSync(at("cache", "node")) : [];

test("a Node that is new enough is used", async () => {
  stub("node", nodeOf(`${MAJOR}.1.0`));
  stubNpm(nodeOf(VERSION));
  expect(await ensured()).toBe(`v${MAJOR}.1.0`);
  expect(installs()).toBe(0);
});

test("an older Node is replaced by one in the cache, which is installed once", async () => {
  stub("node", nodeOf("20.20.2"));
  stubNpm(nodeOf(VERSION));
  expect(await ensured()).toBe(`v${VERSION}`);
  expect(await ensured()).toBe(`v${VERSION}`);
  expect(installs()).toBe(1);
});

test("two runs at once do not interfere", async () => {
  stub("node", nodeOf("20.20.2"));
  stubNpm(nodeOf(VERSION), { slow: "sleep 0.5" });
  expect(await Promise.all([ensured(), ensured()])).toEqual([`v${VERSION}`, `v${VERSION}`]);
  expect(cached()).toHaveLength(1);
});

test.each([
  ["fails in the middle", nodeOf(VERSION), "exit 1"],
  ["is killed in the middle", nodeOf(VERSION), "kill -9 $PPID"],
  ["leaves a node that does not run", "exit 1", ""],
])(
  "an installation that %s is ignored, and the next run installs it again",
  async (_, node, fault) => {
    stub("node", nodeOf("20.20.2"));
    stubNpm(node, { fault });
    expect(await ensured()).toMatch(/^failed: /);
    stubNpm(nodeOf(VERSION));
    expect(await ensured()).toBe(`v${VERSION}`);
    expect(installs()).toBe(2);
  },
);

test("package.json and the types have the same version", () => {
  const { engines, devDependencies } = z
    .object({
      engines: z.object({ node: z.string() }),
      devDependencies: z.record(z.string(), z.string()),
    })
    .parse(JSON.parse(readFileSync(join(checkout, "package.json"), "utf8")));
  expect(VERSION.split(".")[0]).toBe(MAJOR);
  expect(engines.node).toBe(`>=${MAJOR}`);
  expect(devDependencies["@types/node"]).toMatch(new RegExp(`^\\^${MAJOR}\\.`));
});
