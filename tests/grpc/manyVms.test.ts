/**
 * Many VMs of one host start in one run: a few at a time, in order, each with its full time limit.
 */
import type { ValueMap } from "../../provider/wire";
import { configOf, vm } from "./inputs";
import { ProviderProcess, failure } from "./providerProcess";
import { answerWell, keyPair, startScriptedHost } from "./scriptedHost";
import type { Exec, ScriptedHost } from "./scriptedHost";
import { vmsFacts } from "./vmFacts";
import type { VmOnHost } from "./vmFacts";

jest.setTimeout(60_000);

const PARALLELISM = 4;
/** The time limit of a start, and the time that each guest needs until it responds. */
const LIMIT_SECONDS = 3;
const START_MS = 800;
const NAMES = Array.from({ length: 20 }, (_, index) => `v${String(index + 1).padStart(2, "0")}`);

const operator = keyPair();
let host: ScriptedHost;
let guest: ScriptedHost;
let provider: ProviderProcess;
/** The VMs on the host, by name. */
let vms: Map<string, VmOnHost>;
/** The names of the started VMs, in order. */
let started: string[];
/** The VMs that are starting, and the largest number of them at once. */
let underWay: Set<string>;
let most: number;
/** The VM whose start fails on the host. */
let broken: string;

beforeEach(async () => {
  host = await startScriptedHost(operator.publicKey);
  guest = await startScriptedHost(operator.publicKey);
  NAMES.forEach((_, index) => host.tunnels.set(`${addressOf(index)}:22`, guest.port));
  host.onExec = serve;
  vms = new Map();
  started = [];
  underWay = new Set();
  most = 0;
  broken = "";
  provider = await ProviderProcess.start();
  await provider.configure(configOf(host, operator, { parallelism: PARALLELISM }));
});
afterEach(async () => {
  await provider.stop();
  await guest.stop();
  await host.stop();
});

const addressOf = (index: number): string => `198.18.0.${100 + index}`;
const urnOf = (name: string): string =>
  `urn:pulumi:test::pulumi-microvm::microvm:index:MicroVm::${name}`;

/** A start takes its time until the guest responds. All other operations end at once. */
function serve(exec: Exec): void {
  const parameter = (name: string): string =>
    new RegExp(`^${name}=(.*)$`, "m").exec(exec.stdin)?.[1] ?? "";
  const name = parameter("name");
  if (exec.operation === undefined || name === "") {
    answerWell(host)(exec);
    return;
  }
  if (parameter("doing") === "microvm-apply") {
    started.push(name);
    underWay.add(name);
    most = Math.max(most, underWay.size);
    setTimeout(() => done(exec, name, "starting"), START_MS);
  } else done(exec, name, "ready");
}

function done(exec: Exec, name: string, phase: VmOnHost["phase"]): void {
  if (name === broken || phase === "ready") underWay.delete(name);
  if (name === broken) {
    exec.answer([`${exec.nonce} fail operation\t${name}: no tap`], 1);
    return;
  }
  vms.set(name, { name, urn: urnOf(name), phase, hostKey: guest.hostKey });
  host.facts = vmsFacts([...vms.values()]);
  answerWell(host)(exec);
}

/** Starts all VMs in one run, in this order. */
async function createAll(): Promise<Promise<{ properties: ValueMap }>[]> {
  const checked = await Promise.all(
    NAMES.map((name, index) =>
      provider.check("MicroVm", { ...vm, name, address: addressOf(index) }),
    ),
  );
  return checked.map(({ inputs }, index) => {
    provider.urn = () => urnOf(NAMES[index] ?? "");
    return provider.create("MicroVm", inputs, false, LIMIT_SECONDS);
  });
}

test("20 VMs start a few at a time and in order, and none exceeds its time limit", async () => {
  const since = Date.now();
  const made = await Promise.all(await createAll());
  expect(Date.now() - since).toBeGreaterThan(LIMIT_SECONDS * 1000);
  for (const { properties } of made) {
    expect(properties).toMatchObject({ running: true, status: "ready", ownership: "owned" });
  }
  expect(most).toBe(PARALLELISM);
  expect(started).toEqual(NAMES);
});

test("a waiting VM reports what it waits for and how many are ahead", async () => {
  await Promise.all(await createAll());
  const waiting = provider.logs.filter((line) => line.startsWith("waiting for a slot for VMs"));
  expect(waiting).toEqual(
    NAMES.slice(PARALLELISM).map(
      (_, before) =>
        `waiting for a slot for VMs on hv1 (in use by v01, v02, v03, v04), ${before} before it`,
    ),
  );
});

test("a VM that fails does not block the others", async () => {
  broken = "v02";
  const all = await createAll();
  const failures = all.map((made) =>
    failure(made).then(
      ({ message }) => message,
      () => "none",
    ),
  );
  const messages = await Promise.all(failures);
  expect(messages[1]).toContain("v02: no tap");
  expect(messages.filter((message) => message !== "none")).toHaveLength(1);
  expect([...vms.values()].map(({ name, phase }) => `${name ?? ""} ${phase}`).sort()).toEqual(
    NAMES.filter((name) => name !== broken).map((name) => `${name} ready`),
  );
  expect(started).toEqual(NAMES);
  expect(most).toBe(PARALLELISM);
});
