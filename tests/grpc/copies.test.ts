/**
 * A copy passes the configured key to OpenSSH as a file. The file is removed however the copy ends.
 */
import * as fs from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { closure, configOf } from "./inputs";
import { ProviderProcess, failure } from "./providerProcess";
import { keyPair, startScriptedHost } from "./scriptedHost";
import type { ScriptedHost } from "./scriptedHost";

const operator = keyPair();
let host: ScriptedHost;
let root: string;
let runtime: string;

beforeEach(async () => {
  host = await startScriptedHost(operator.publicKey);
  root = fs.mkdtempSync(join(tmpdir(), "h1-copies-"));
  runtime = join(root, "runtime");
  fs.mkdirSync(runtime, { mode: 0o700 });
  fs.mkdirSync(join(root, "bin"));
  // The program never ends by itself. `exec` makes it the process that receives the signal.
  fs.writeFileSync(join(root, "bin", "nix"), "#!/bin/sh\nexec sleep 300\n", { mode: 0o755 });
  fs.writeFileSync(join(root, "bin", "nix-store"), "#!/bin/sh\n", { mode: 0o755 });
});
afterEach(async () => {
  await host.stop();
  fs.rmSync(root, { recursive: true });
});

async function start(): Promise<ProviderProcess> {
  const provider = await ProviderProcess.start({
    PATH: `${join(root, "bin")}:${process.env["PATH"] ?? ""}`,
    XDG_RUNTIME_DIR: runtime,
  });
  await provider.configure(configOf(host, operator));
  return provider;
}

const files = (): string[] =>
  fs
    .readdirSync(runtime, { recursive: true, encoding: "utf8" })
    .filter((path) => path.endsWith("/config") || path.endsWith("/identity"));

/** Starts a copy and waits until its files exist. */
async function beginCopy(provider: ProviderProcess): Promise<{ copying: Promise<unknown> }> {
  const copying = failure(provider.create("NixClosure", closure)).catch(() => undefined);
  for (const until = Date.now() + 10_000; files().length < 2 && Date.now() < until;) {
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  expect(files()).toHaveLength(2);
  for (const path of files()) expect(fs.statSync(join(runtime, path)).mode & 0o777).toBe(0o600);
  return { copying };
}

test.each(["SIGTERM", "SIGINT"] as const)("%s during a copy leaves no files", async (signal) => {
  const provider = await start();
  try {
    await beginCopy(provider);
    provider.child.kill(signal);
    await provider.exited();
    expect(fs.readdirSync(runtime)).toEqual([]);
  } finally {
    await provider.stop();
  }
});

test("a cancelled copy leaves no files", async () => {
  const provider = await start();
  try {
    const { copying } = await beginCopy(provider);
    await provider.cancel();
    await copying;
    expect(fs.readdirSync(runtime)).toEqual([]);
  } finally {
    await provider.stop();
  }
});

test("the next provider removes files of a killed provider but not those in use", async () => {
  const killed = await start();
  await beginCopy(killed);
  await killed.stop();
  const [left = ""] = fs.readdirSync(runtime);
  expect(left).toMatch(/^pulumi-microvm-copy-/);
  const foreign = join(runtime, "pulumi-microvm-canary-1-2-3-abc");
  fs.mkdirSync(foreign);

  const first = await start();
  try {
    expect(fs.readdirSync(runtime)).toEqual(["pulumi-microvm-canary-1-2-3-abc"]);
    await beginCopy(first);
    const second = await start();
    await second.stop();
    expect(files()).toHaveLength(2);
  } finally {
    await first.stop();
  }
});
