/**
 * The entry points cache compiled code between runs. They also start where caching is impossible.
 */
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

test("the program stores its compiled code in the cache", () => {
  const program = resolve(__dirname, "..", "..", "bin", "index.js");
  const before = keptFiles();
  execFileSync(process.execPath, ["-e", `require(${JSON.stringify(program)}); process.exit()`], {
    env: { ...process.env, ...inHome },
  });
  expect(keptFiles()).toBeGreaterThan(before + 10);
});

test("the provider stores its compiled code in the cache", async () => {
  const before = keptFiles();
  const provider = await ProviderProcess.start(inHome);
  const exited = provider.exited();
  provider.child.kill("SIGINT");
  await exited;
  await provider.stop();
  expect(keptFiles()).toBeGreaterThan(before + 10);
});

test("the provider starts even if it cannot write to the cache", async () => {
  const provider = await ProviderProcess.start({ HOME: "/dev/null", XDG_CACHE_HOME: "" });
  expect(await provider.schema()).toContain("microvm");
  await provider.stop();
});
