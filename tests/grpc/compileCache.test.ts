/** The entry points keep compiled code between runs, and start as well where they cannot. */
import { execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { ProviderProcess } from "./providerProcess";

const home = mkdtempSync(join(tmpdir(), "pulumi-microvm-compiled-"));
const inHome = { HOME: home, XDG_CACHE_HOME: "" };
const cache = join(home, ".cache", "pulumi-microvm", "compiled");
const keptFiles = (): number =>
  existsSync(cache) ? readdirSync(cache, { recursive: true }).length : 0;

afterAll(() => rmSync(home, { recursive: true }));

test("the program keeps what it compiled", () => {
  const program = resolve(__dirname, "..", "..", "bin", "index.js");
  const before = keptFiles();
  execFileSync(process.execPath, ["-e", `require(${JSON.stringify(program)}); process.exit()`], {
    env: { ...process.env, ...inHome },
  });
  expect(keptFiles()).toBeGreaterThan(before + 10);
});

test("the provider keeps what it compiled", async () => {
  const before = keptFiles();
  const provider = await ProviderProcess.start(inHome);
  const exited = provider.exited();
  provider.child.kill("SIGINT");
  await exited;
  await provider.stop();
  expect(keptFiles()).toBeGreaterThan(before + 10);
});

test("the provider starts where it can keep nothing", async () => {
  const provider = await ProviderProcess.start({ HOME: "/dev/null", XDG_CACHE_HOME: "" });
  expect(await provider.schema()).toContain("microvm");
  await provider.stop();
});
