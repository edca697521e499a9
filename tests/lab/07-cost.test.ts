/** Cost of a run without changes: connections and processes on the hosts, and compilation. */
import { mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { benchSite } from "../../bench/site";
import { hostKey } from "../../lab/ssh";
import { HOSTS } from "../../lab/network";
import { costs, type Cost } from "./accounting";
import { PROJECT, lab, pulumi, releaseHosts } from "./lab";

const STACK = "--stack=bench";
const names = HOSTS.map(({ name }) => name);
const directory = mkdtempSync(join(tmpdir(), "pulumi-microvm-cost-"));
const siteFile = join(directory, "site.yaml");

beforeAll(async () => {
  await releaseHosts();
  await run("stack", "select", "--create", STACK);
  await run("config", "set", "site", siteFile, STACK);
}, 300_000);

afterAll(async () => {
  await run("destroy", "--yes", "--skip-preview", STACK);
  await run("stack", "rm", "--yes", "bench");
  rmSync(directory, { recursive: true });
}, 600_000);

async function run(...words: string[]): Promise<void> {
  const { code, text } = await pulumi(...words);
  if (code !== 0) throw new Error(`pulumi ${words.join(" ")} failed:\n${text}`);
}

async function converge(vms: number): Promise<void> {
  const hosts = HOSTS.map((host) => ({ ...host, hostKey: hostKey(host) }));
  writeFileSync(siteFile, benchSite(vms, hosts, `path:${join(PROJECT, "lab", "flake")}`));
  await run("up", "--yes", "--skip-preview", STACK);
}

const preview = (): Promise<void> => run("preview", "--refresh", "--expect-no-changes", STACK);
const up = (): Promise<void> =>
  run("up", "--yes", "--skip-preview", "--refresh", "--expect-no-changes", STACK);

test("a run is one connection and one probe; 24 VMs cost as many processes as 2", async () => {
  const seen = new Map<number, Cost[]>();
  for (const vms of [2, 24]) {
    await converge(vms);
    const previewed = await costs(names, preview);
    const updated = await costs(names, up);
    for (const cost of [...previewed, ...updated]) {
      expect(cost).toMatchObject({ connections: 1, commands: 1 });
    }
    seen.set(vms, [...previewed, ...updated]);
  }
  expect(seen.get(24)).toEqual(seen.get(2));
}, 900_000);

test("a preview compiles nothing: all its Node processes load existing JavaScript", async () => {
  const hook = join(directory, "loads.cjs");
  const loads = join(directory, "loads");
  writeFileSync(hook, RECORD_LOADS);
  mkdirSync(loads);
  const words = ["preview", "--refresh", "--expect-no-changes", "--non-interactive", STACK];
  const settings = [`NODE_OPTIONS=--require=${hook}`, `LOADS=${loads}`];
  const { code, text } = await lab(["exec", "env", ...settings, "pulumi", ...words]);
  if (code !== 0) throw new Error(text);

  const files = readdirSync(loads).map((name) => readFileSync(join(loads, name), "utf8"));
  const loaded = files.join("").split("\n");
  expect(loaded).toContain(join(PROJECT, "bin", "index.js"));
  expect(loaded).toContain(join(PROJECT, "bin", "provider", "main.js"));
  // Pulumi's SDK loads typescript.js for its function serializer, but compiles nothing with it.
  expect(loaded.filter((file) => /ts-node|\/_?tsc\b|@swc|esbuild|\.tsx?$/.test(file))).toEqual([]);
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
