/** Notices: the plan and the failures of a preview, for programs. */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { z } from "zod";
import type { Notice } from "../../../contract/notices";
import { ProviderError } from "../../../provider/errors";
import { bind } from "../../../provider/lifecycle";
import { silentLog, withNotices } from "../../../provider/log";
import type { Resource } from "../../../provider/resource";
import { nixClosure } from "../../../provider/resources/machines/nixClosure";
import { inputs, outputs } from "../../../provider/resources/machines/microVmState";
import { plan } from "../../../provider/resources/machines/microVmUpdate";
import { planSystem } from "../../../provider/resources/hosts/nixosSystemExplain";
import {
  inputs as systemInputs,
  outputs as systemOutputs,
} from "../../../provider/resources/hosts/nixosSystemState";
import { contextOf } from "./context";

const path = (name: string): string => `/nix/store/${"0".repeat(32)}-${name}`;

describe("lifecycle", () => {
  const shape = z.object({ host: z.string(), size: z.number() });
  type Inputs = z.infer<typeof shape>;
  const thing: Resource<Inputs, { live: number }> = {
    type: "Thing",
    description: "",
    inputs: shape,
    outputs: z.object({ live: z.number() }),
    timeoutSeconds: 1,
    immutable: {},
    mirrored: [],
    id: ({ host }) => host,
    drift: () => [],
    predict: ({ size }) => ({ live: size }),
    plan: ({ size }, observed) => {
      return { effect: "restart", reason: `${observed?.live} to ${size}`, packages: [] };
    },
    observe: () => Promise.resolve({ live: 1 }),
    refuse(_context, { size }) {
      if (size > 9) throw new ProviderError("data-loss", "h: too large", "Take less.");
    },
    converge: () => Promise.resolve({ live: 2 }),
    remove: () => Promise.reject(new ProviderError("unreachable", "h: away")),
  };

  async function noticesOf(
    work: (call: ReturnType<typeof contextOf>) => Promise<unknown>,
    maintenance = false,
  ): Promise<Notice[]> {
    const notices: Notice[] = [];
    const context = contextOf("urn", { notice: (one) => notices.push(one) }, maintenance);
    await work(context).catch(() => undefined);
    return notices;
  }
  const update = (size: number, preview: boolean, maintenance = false): Promise<Notice[]> => {
    const before = { state: { host: "h", size: 1, live: 1 }, inputs: { host: "h", size: 1 } };
    return noticesOf(
      (context) => bind(thing).update(context, before, { host: "h", size }, preview),
      maintenance,
    );
  };
  const planned = { kind: "plan", urn: "urn", effect: "restart", packages: [] };

  test("a preview tells the plan of an update and of a creation, an update does not", async () => {
    expect(await update(2, true)).toEqual([{ ...planned, reason: "1 to 2" }]);
    expect(await update(2, false)).toEqual([]);
    const create = (context: ReturnType<typeof contextOf>) =>
      bind(thing).create(context, { host: "h", size: 3 }, true);
    expect(await noticesOf(create)).toEqual([{ ...planned, reason: "1 to 3" }]);
  });

  test("in maintenance nothing is done, and that is told", async () => {
    const reason = "h is in maintenance";
    expect(await update(2, true, true)).toEqual([{ ...planned, effect: "nothing", reason }]);
    expect(await update(2, false, true)).toEqual([]);
  });

  test("a failure tells its host, its cause and its remedy", async () => {
    const failure = { kind: "failure", urn: "urn", host: "h" };
    const refused = { cause: "data-loss", what: "h: too large", remedy: "Take less." };
    expect(await update(10, true)).toEqual([{ ...failure, ...refused }]);
    const removal = await noticesOf((context) =>
      bind(thing).remove(context, { host: "h", size: 1 }, {}),
    );
    expect(removal).toEqual([{ ...failure, cause: "unreachable", what: "h: away" }]);
  });

  test("a read that fails too", async () => {
    const away: typeof thing = {
      ...thing,
      observe: () => Promise.reject(new ProviderError("host-key", "h: another key")),
    };
    const read = await noticesOf((context) =>
      bind(away).read(context, "h", { host: "h", size: 1 }, { live: 1 }),
    );
    expect(read).toEqual([
      { kind: "failure", urn: "urn", host: "h", cause: "host-key", what: "h: another key" },
    ]);
  });
});

test("the plan of a VM", () => {
  const wanted = inputs.parse({
    ...{ host: "hv1", machineId: "0".repeat(32), name: "kw1", runner: path("b") },
    ...{ toplevel: path("system-b"), address: "192.0.2.31", hardware: "h2", liveSwitch: true },
    ...{ closureInfo: path("info"), hardwareParts: { memory: "2 GiB" } },
  });
  const running = outputs.parse({
    ...{ runner: path("a"), toplevel: path("system-a"), running: true, restart: "" },
    ...{ booted: path("a"), system: path("system-a"), bootedHardware: "h1", stale: false },
    ...{ autostart: true, guestHostKey: "ssh-ed25519 AAAA", ownership: "owned" },
  });
  const before = { ...wanted, hardwareParts: { memory: "1 GiB" } };
  expect(plan(wanted, running, before)).toEqual({
    effect: "restart",
    reason: "the hardware changes (memory 1 GiB -> 2 GiB)",
    packages: [],
  });
  expect(plan({ ...wanted, hardware: "h1" }, running)).toMatchObject({ effect: "live" });
  const retargeted = { ...running, system: wanted.toplevel, bootedHardware: "h2" };
  expect(plan({ ...wanted, memoryTargetMiB: 128 }, retargeted)).toEqual({
    effect: "nothing",
    reason: "memory target, without a restart",
    packages: [],
  });
});

test("the plan of a closure is its packages", () => {
  const root = (name: string) => ({ drvPath: path(`${name}.drv`), outPath: path(name) });
  const wanted = nixClosure.inputs.parse({
    ...{ host: "hv1", machineId: "0".repeat(32), name: "kw1", roots: { runner: root("b") } },
    packages: { hello: "2", jq: "1" },
  });
  const before = { ...wanted, packages: { hello: "1", curl: "8" } };
  const state = { paths: { runner: path("a") }, ownership: "owned" };
  expect(nixClosure.plan?.(wanted, state, before).packages).toEqual([
    { name: "curl", from: "8" },
    { name: "hello", from: "1", to: "2" },
    { name: "jq", to: "1" },
  ]);
  const there = { paths: { runner: path("b") }, ownership: "owned" };
  expect(nixClosure.plan?.(wanted, there, before).packages).toEqual([]);
});

describe("the plan of a host's system", () => {
  const state = systemOutputs.parse({
    ...{ machineId: "0".repeat(32), toplevel: path("a"), booted: path("a"), profile: path("a") },
    ...{ rebootRequired: false, status: "ready", rolledBack: "", ownership: "owned" },
  });
  const wanted = (more: object) =>
    systemInputs.parse({
      ...{ host: "hv1", drvPath: path("b.drv"), toplevel: path("b") },
      ...{ bootHash: "h2", rebootPolicy: "ifRequired", packages: { linux: "7" }, ...more },
    });
  const before = { ...wanted({}), toplevel: path("a"), bootHash: "h1", packages: { linux: "6" } };

  test.each([
    ["a kernel changes", {}, "reboot", /its VMs stop and start again/],
    ["the operator reboots", { rebootPolicy: "never" }, "live", /reboot the host yourself/],
    ["the kernel stays", { bootHash: "h1" }, "live", /^the system changes$/],
    ["the kernel is not known", { bootHash: "" }, "live", /it reboots if the kernel does/],
    ["nothing changes", { toplevel: path("a") }, "nothing", /^$/],
  ])("%s", (_, more, effect, reason) => {
    const found = planSystem(wanted(more), state, before);
    expect(found.effect).toBe(effect);
    expect(found.reason).toMatch(reason);
  });

  test("with its packages", () => {
    const packages = [{ name: "linux", from: "6", to: "7" }];
    expect(planSystem(wanted({}), state, before).packages).toEqual(packages);
    expect(planSystem(wanted({ toplevel: path("a") }), state, before).packages).toEqual([]);
  });
});

test("notices are lines of the file; a file that can't be written is a warning", () => {
  const directory = mkdtempSync(join(tmpdir(), "pulumi-microvm-notices-"));
  try {
    const file = join(directory, "notices");
    const warnings: string[] = [];
    const log = { ...silentLog, warning: (_: string, text: string) => warnings.push(text) };
    const notice: Notice = { kind: "failure", urn: "u", host: "h", cause: "busy", what: "a\nb" };
    withNotices(log, file).notice(notice);
    withNotices(log, file).notice(notice);
    const lines = readFileSync(file, "utf8").trimEnd().split("\n");
    expect(lines.map((line): unknown => JSON.parse(line))).toEqual([notice, notice]);
    withNotices(log, join(directory, "no", "place")).notice(notice);
    expect(warnings).toHaveLength(1);
    expect(withNotices(log, undefined)).toBe(log);
  } finally {
    rmSync(directory, { recursive: true });
  }
});
