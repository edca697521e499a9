/** The template's script that finds the provider, with packages installed in different ways. */
import { spawn } from "node:child_process";
import { copyFileSync, cpSync, mkdirSync, mkdtempSync, realpathSync, rmSync } from "node:fs";
import { symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { documented } from "../troubleshooting";

const checkout = resolve(__dirname, "..", "..");
const SCRIPT = "pulumi-resource-microvm";
const MODULES = "node_modules";

let root: string;
beforeEach(() => {
  root = realpathSync(mkdtempSync(join(tmpdir(), "pulumi-microvm-shim-")));
});
afterEach(() => rmSync(root, { recursive: true }));

/** The files of the package that a provider needs. The dependencies are links to ours. */
function install(directory: string, dependencies: string): void {
  for (const part of ["package.json", join("provider", SCRIPT)]) {
    mkdirSync(dirname(join(directory, part)), { recursive: true });
    copyFileSync(join(checkout, part), join(directory, part));
  }
  for (const part of ["provider", "contract", "compileCache.js"]) {
    cpSync(join(checkout, "bin", part), join(directory, "bin", part), { recursive: true });
  }
  mkdirSync(dependencies, { recursive: true });
  for (const name of ["@grpc", "@pulumi", "google-protobuf", "ssh2", "zod"]) {
    symlinkSync(join(checkout, MODULES, name), join(dependencies, name));
  }
}

function link(target: string, path: string): void {
  mkdirSync(dirname(path), { recursive: true });
  symlinkSync(target, path);
}

/** A project with the script of the template. */
function project(directory: string): string {
  const script = join(directory, "plugins", SCRIPT);
  mkdirSync(dirname(script), { recursive: true });
  copyFileSync(join(checkout, "templates", "site", "plugins", SCRIPT), script);
  return script;
}

interface Start {
  /** The first line of the output. */
  line: string;
  stderr: string;
  code: number | null;
}

/** Starts it as the engine does, and ends it after its first line. */
function start(script: string, cwd = root): Promise<Start> {
  return new Promise((done) => {
    const child = spawn(script, [], { cwd, stdio: ["ignore", "pipe", "pipe"] });
    let line = "";
    let stderr = "";
    child.stderr.on("data", (chunk: Buffer) => (stderr += chunk.toString()));
    child.stdout.on("data", (chunk: Buffer) => {
      line += chunk.toString();
      if (line.includes("\n")) child.kill("SIGTERM");
    });
    child.on("close", (code) => done({ line: line.trim(), stderr, code }));
  });
}

const PORT = /^[0-9]+$/;

test("npm: in the node_modules of the project, whatever the working directory is", async () => {
  const script = project(join(root, "site"));
  const modules = join(root, "site", MODULES);
  install(join(modules, "pulumi-microvm"), modules);
  expect((await start(script, "/")).line).toMatch(PORT);
});

test("a workspace: in the node_modules of a parent directory", async () => {
  const script = project(join(root, "infra", "site"));
  install(join(root, MODULES, "pulumi-microvm"), join(root, MODULES));
  expect((await start(script)).line).toMatch(PORT);
});

test("pnpm: behind a link, beside its own dependencies", async () => {
  const script = project(join(root, "site"));
  const store = join(root, "site", MODULES, ".pnpm", "pulumi-microvm@1", MODULES);
  install(join(store, "pulumi-microvm"), store);
  link(join(store, "pulumi-microvm"), join(root, "site", MODULES, "pulumi-microvm"));
  expect((await start(script)).line).toMatch(PORT);
});

test("npm link: in a checkout elsewhere", async () => {
  const script = project(join(root, "site"));
  link(checkout, join(root, "site", MODULES, "pulumi-microvm"));
  expect((await start(script)).line).toMatch(PORT);
});

test("the directory of plugins is a link itself", async () => {
  project(join(root, "site"));
  const modules = join(root, "site", MODULES);
  install(join(modules, "pulumi-microvm"), modules);
  link(join(root, "site", "plugins"), join(root, "elsewhere", "plugins"));
  expect((await start(join(root, "elsewhere", "plugins", SCRIPT))).line).toMatch(PORT);
});

test("not installed: it says what to run, and where", async () => {
  const script = project(join(root, "site"));
  const { code, stderr, line } = await start(script);
  expect({ code, line }).toEqual({ code: 1, line: "" });
  expect(stderr).toContain(`pulumi-microvm is not installed in ${join(root, "site")}`);
  expect(stderr).toContain("npm ci");
  expect(stderr).toMatch(documented("packages not installed", 1));
});
