/** What status, purge and doctor conclude, without hosts. */
import { choose } from "../../../cli/commands/purge";
import { tooOld } from "../../../cli/doctor/local";
import { statusOf, statusText } from "../../../cli/report/status";
import type { Look } from "../../../cli/state/look";
import { Lookout, orphansOf } from "../../../cli/state/look";
import type { Orphan } from "../../../cli/state/look";
import { parseState } from "../../../cli/state/state";
import { processTerminal } from "../../../cli/terminal";
import { parseConfig } from "../../../provider/configuration";
import { makeRecord } from "../../../provider/ownership";
import { plain, urnOf } from "./eventLog";

const PREFIX = "urn:pulumi:prod::site::";
const terminal = { ...processTerminal(), paint: (_: string, text: string): string => text };

describe("the state", () => {
  const provider = {
    urn: `${PREFIX}pulumi:providers:microvm::prod`,
    type: "pulumi:providers:microvm",
    inputs: {
      hosts: JSON.stringify({
        hv1: { address: "192.0.2.1", user: "root", hostKey: "ssh-ed25519 AAAA" },
      }),
      agent: "false",
      privateKey: plain("a private key"),
    },
  };
  const vm = { urn: urnOf("MicroVm", "kw1"), type: "microvm:index:MicroVm", id: "hv1/kw1" };
  const text = (...resources: object[]): string => JSON.stringify({ deployment: { resources } });

  test("has the hosts with the opened key, and the resources of the provider", () => {
    const other = { urn: "urn:x", type: "kubernetes:core:Secret" };
    const replaced = { ...vm, delete: true };
    const state = parseState(text(other, provider, vm, replaced));
    expect(state.config).toMatchObject({ agent: false, privateKey: "a private key" });
    expect(Object.keys(state.config.hosts)).toEqual(["hv1"]);
    expect(state.resources.map(({ urn }) => urn)).toEqual([vm.urn]);
    expect(state.prefix).toBe(PREFIX);
  });

  test("of a stack that was never applied", () => {
    expect(() => parseState(text())).toThrow("the stack has no hypervisors yet");
    expect(() => parseState(JSON.stringify({ deployment: {} }))).toThrow(/no hypervisors/);
  });
});

describe("orphans", () => {
  const record = (urn: string, more: Record<string, string> = {}): string => makeRecord(urn, more);
  const facts = {
    records: new Map([
      ["vms/kw1", record(urnOf("MicroVm", "kw1"))],
      ["vms/kw2", record(urnOf("MicroVm", "kw2"))],
      ["vms/other", record("urn:pulumi:dev::site::microvm:index:MicroVm::other")],
      ["vms/similar", record("urn:pulumi:prod::site2::microvm:index:MicroVm::similar")],
      ["vms/broken", "{"],
      ["volumes/kw2.var", record(urnOf("Volume", "kw2-var"), { image: "/i" })],
      ["closures/kw2", record(urnOf("NixClosure", "kw2"))],
    ]),
    vms: new Map([
      ["kw2", { active: "active", hasFlake: false, autostart: true, memoryPending: false }],
    ]),
    images: new Map([["/i", { sizeBytes: 3_000_000, allocatedBytes: 0 }]]),
  };

  test("have a record of this stack, and are not in its state", () => {
    const known = { urn: urnOf("MicroVm", "kw1"), type: "", id: "", inputs: {}, outputs: {} };
    expect(orphansOf("hv1", facts, { resources: [known], prefix: PREFIX })).toEqual([
      {
        ...{ host: "hv1", kind: "VM", name: "kw2" },
        ...{ urn: urnOf("MicroVm", "kw2"), text: "a running VM" },
      },
      {
        ...{ host: "hv1", kind: "volume", name: "kw2.var" },
        ...{ urn: urnOf("Volume", "kw2-var"), text: "a volume, 3 MiB: /i" },
      },
    ]);
  });

  const orphan = (host: string, name: string): Orphan => {
    return { host, kind: "VM", name, urn: "", text: "" };
  };
  test("purge takes exactly one", () => {
    const all = [orphan("hv1", "a"), orphan("hv2", "a"), orphan("hv1", "b")];
    expect(choose(all, "b", undefined, [])).toBe(all[2]);
    expect(choose(all, "a", "hv2", [])).toBe(all[1]);
    expect(() => choose(all, "a", undefined, [])).toThrow("a is on several hosts: hv1, hv2");
    expect(() => choose(all, "c", undefined, ["hv3"])).toThrow(/no host .* c .*not read: hv3/);
    expect(() => choose(all, "", undefined, [])).toThrow(/no host has/);
  });
});

describe("status", () => {
  const look = (type: string, name: string, more: Partial<Look> = {}): Look => ({
    resource: {
      urn: urnOf(type, name),
      type: `microvm:index:${type}`,
      id: `hv1/${name}`,
      inputs: { host: "hv1", name },
      outputs: {},
    },
    observed: { running: true, stale: false },
    condition: "ok",
    paths: [],
    reason: "",
    ...more,
  });
  const host = { host: "hv1", reason: "", remedy: "", orphans: [] };
  const of = (resources: Look[], more: object = {}) =>
    statusOf({ hosts: [{ ...host, ...more }], resources });

  test("is fine if all is as recorded", () => {
    expect(of([look("MicroVm", "kw1"), look("Volume", "v")]).isFine).toBe(true);
  });

  const member = (name: string, more: Partial<Look>): Look => {
    const { resource, ...found } = look("K0sNode", name, more);
    return { ...found, resource: { ...resource, inputs: { name, role: "controller" } } };
  };

  test("shows the members of the cluster, and why a controller does not answer", () => {
    const down = { condition: "drifted" as const, paths: ["status"] };
    const status = of([
      look("K0sCluster", "cluster", { observed: { unavailable: { kc2: "the VM does not run" } } }),
      member("kc1", { observed: { status: "ready" } }),
      member("kc2", { observed: { status: "not ready" }, ...down }),
    ]);
    expect(status.isFine).toBe(false);
    expect(status.others).toEqual([]);
    const text = statusText(status, terminal);
    expect(text).toMatch(/^kc1 +controller +ready$/m);
    expect(text).toMatch(/^kc2 +controller +not ready +the VM does not run$/m);
  });

  test("says once why members could not be read", () => {
    const silent = { condition: "unread" as const, observed: undefined, reason: "lab: no answer" };
    const status = of([member("kc1", silent), member("kc2", silent)]);
    expect(status.isFine).toBe(false);
    const text = statusText(status, terminal);
    expect(text).toMatch(/^kc1 +controller +unknown +unread; lab: no answer$/m);
    expect(text).toMatch(/^kc2 +controller +unknown +unread$/m);
  });

  const cases: [string, ReturnType<typeof of>, RegExp][] = [
    [
      "stale",
      of([look("MicroVm", "kw1", { observed: { running: true, stale: true } })]),
      /kw1 +hv1 +running +stale: /,
    ],
    [
      "drifted",
      of([look("MicroVm", "kw1", { condition: "drifted", paths: ["runner"] })]),
      /drifted: runner/,
    ],
    [
      "gone",
      of([look("MicroVm", "kw1", { condition: "gone", observed: undefined })]),
      /unknown +gone/,
    ],
    [
      "not read",
      of([look("MicroVm", "kw1", { condition: "unread", observed: undefined, reason: "a\nb" })]),
      /not read: a b/,
    ],
    ["unreachable", of([], { reason: "hv1: away" }), /hv1 +unreachable +hv1: away/],
    [
      "to be rebooted",
      of([look("NixosSystem", "hv1", { observed: { rebootRequired: true } })]),
      /reboot required/,
    ],
    [
      "a volume",
      of([look("Volume", "v", { condition: "drifted", paths: ["content"] })]),
      /Volume hv1\/v: drifted content/,
    ],
  ];
  test.each(cases)("tells what is %s", (_, status, expected) => {
    expect(status.isFine).toBe(false);
    expect(statusText(status, terminal)).toMatch(expected);
  });

  test.each(["in maintenance", "forgotten"] as const)("a host that is %s is no fault", (closed) => {
    const status = of([look("MicroVm", "kw1", { condition: closed })], { closed, reason: "x" });
    expect(status).toMatchObject({ isFine: true, hypervisors: [{ state: closed }] });
    expect(statusText(status, terminal)).toContain(closed);
  });

  test.each([
    [{ maintenance: true }, "in maintenance"],
    [{ forget: true }, "forgotten"],
  ])("a host with %j is not contacted", async (more, closed) => {
    const hop = { address: "192.0.2.1", user: "root", hostKey: "ssh-ed25519 AAAA", ...more };
    const config = parseConfig({ hosts: JSON.stringify({ hv1: hop }), agent: "false" });
    const { resource } = look("MicroVm", "kw1");
    const state = { config, resources: [resource], prefix: PREFIX };
    const lookout = new Lookout(state, new AbortController().signal);
    const get = jest.spyOn(lookout.pool, "get");
    expect(await lookout.look()).toMatchObject({
      hosts: [{ host: "hv1", closed }],
      resources: [{ condition: closed }],
    });
    expect(get).not.toHaveBeenCalled();
  });
});

describe("doctor", () => {
  test.each([
    ["22.0.0", [22, 0], 0],
    ["3.259.0", [3, 256], 0],
    ["3.99.0", [3, 256], 1],
    ["4.0", [3, 256], 0],
    ["2.300", [3, 256], 1],
  ])("version %s of at least %j", (version, oldest, findings) => {
    expect(tooOld("X", version, oldest, "")).toHaveLength(findings);
  });

  test("a program that is not there", () => {
    expect(tooOld("X", undefined, [1], "https://x")).toMatchObject([
      { what: "X is not on PATH", remedy: "Install X 1 or newer: https://x" },
    ]);
  });
});
