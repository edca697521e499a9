/**
 * The builds before a host's system is changed. Nix is a stub, because the built paths do not
 * matter.
 */
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { makeRecord } from "../../provider/ownership";
import type { ValueMap } from "../../provider/wire";
import { configOf } from "./inputs";
import { ProviderProcess, failure, urn } from "./providerProcess";
import { healthyFacts, keyPair, startScriptedHost } from "./scriptedHost";
import type { ScriptedHost } from "./scriptedHost";

const operator = keyPair();
const path = (name: string): string => `/nix/store/${"0".repeat(32)}-${name}`;
const A = path("a");
const B = path("b");
let directory: string;
let host: ScriptedHost;
let provider: ProviderProcess;

beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), "pulumi-microvm-builds-"));
  const log = join(directory, "log");
  const stub = `#!/bin/sh\necho "$@" >>'${log}'\necho no compiler >&2\nexit 1\n`;
  writeFileSync(join(directory, "nix-store"), stub, { mode: 0o755 });
  host = await startScriptedHost(operator.publicKey);
  const PATH = [directory, process.env["PATH"]].join(delimiter);
  provider = await ProviderProcess.start({ PATH });
  await provider.configure(configOf(host, operator));
});
afterEach(async () => {
  await provider.stop();
  await host.stop();
  rmSync(directory, { recursive: true, force: true });
});

/** A host with this system. Its kernel is the booted one or another. */
function runs(current: string, kernel: string): void {
  host.facts = [
    ...healthyFacts().slice(0, -1),
    "boot-id\t11111111-1111-1111-1111-111111111111",
    `system\tcurrent\t${current}`,
    `system\tcurrent-kernel\t${kernel}`,
    `system\tbooted\t${A}`,
    `system\tbooted-kernel\t${path("kernel1")}`,
    `system\tprofile\t${current}`,
    `record\tsystems\tnixos\t${makeRecord(urn("NixosSystem"), {})}`,
    "probed",
  ];
}

const wanted = async (more: ValueMap = {}): Promise<ValueMap> => {
  const given = {
    host: "hv1",
    drvPath: path("b.drv"),
    toplevel: B,
    rebootPolicy: "ifRequired",
    vmDerivations: [path("kc1.drv"), path("kw1.drv")],
  };
  return (await provider.check("NixosSystem", { ...given, ...more })).inputs;
};
const built = (): string[] => {
  const log = join(directory, "log");
  return existsSync(log) ? readFileSync(log, "utf8").trim().split("\n") : [];
};

test.each([
  ["switched", A, "kernel1"],
  ["rebooted", B, "kernel2"],
])("VMs that do not build prevent their host from being %s", async (_, current, kernel) => {
  runs(current, path(kernel));
  const { message } = await failure(provider.create("NixosSystem", await wanted()));
  expect(message).toMatch(/the VMs of hv1: building on this machine: .*no compiler/s);
  expect(built()).toEqual([`--realise ${path("kc1.drv")} ${path("kw1.drv")}`]);
  expect(host.operations).toEqual([]);
});

test("nothing is built if nothing changes, nor in a preview", async () => {
  runs(B, path("kernel1"));
  await provider.create("NixosSystem", await wanted());
  runs(A, path("kernel1"));
  await provider.create("NixosSystem", await wanted(), true);
  expect(built()).toEqual([]);
});

test("a host with `build: host` builds its VMs after its switch", async () => {
  runs(B, path("kernel2"));
  host.onExec = (exec) => exec.answer([`${exec.nonce} fail operation\tno boot`], 1);
  const make = provider.create("NixosSystem", await wanted({ build: "host" }));
  await failure(make);
  expect(built()).toEqual([]);
});
