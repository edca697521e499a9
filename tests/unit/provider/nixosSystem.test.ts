/** A host's own system: the facts of the probe, and the next step. */
import * as fc from "fast-check";
import { parseFacts } from "../../../provider/hosts/facts/hostFacts";
import type { HostFacts } from "../../../provider/hosts/facts/hostFacts";
import { explainSystem } from "../../../provider/resources/hosts/nixosSystemExplain";
import { nextStep } from "../../../provider/resources/hosts/nixosSystemPlan";
import { inputs, stateOf } from "../../../provider/resources/hosts/nixosSystemState";
import { RESOURCES } from "../../../provider/resources";
import { toMap } from "../../../provider/wire";

const path = (name: string): string => `/nix/store/${"0".repeat(32)}-${name}`;
const A = path("a");
const B = path("b");
const BOOT = "11111111-1111-1111-1111-111111111111";
const OTHER_BOOT = "22222222-2222-2222-2222-222222222222";

interface Host {
  current: string;
  booted: string;
  profile: string;
  kernels: [current: string, booted: string];
  trial: string;
}
const HOST: Host = { current: A, booted: A, profile: A, kernels: ["k1", "k1"], trial: "" };

function facts(change: Partial<Host> = {}): HostFacts {
  const { current, booted, profile, kernels, trial } = { ...HOST, ...change };
  const part = (key: string, target: string): string => `system\t${key}\t${target}`;
  const lines = [
    "machine-id\t0123456789abcdef0123456789abcdef",
    "hostname\thv1",
    "clock\t1000",
    "memory-kib\t8388608",
    "file-system\t/dev/sda1\t/\t1048576",
    `boot-id\t${BOOT}`,
    part("profile", profile),
    part("current", current),
    part("current-kernel", path(kernels[0])),
    part("current-initrd", `${current}/initrd`),
    part("current-kernel-modules", path("modules")),
    part("booted", booted),
    part("booted-kernel", path(kernels[1])),
    part("booted-initrd", `${booted}/initrd`),
    part("booted-kernel-modules", path("modules")),
    ...(trial === "" ? [] : [`trial\t${trial}`]),
    "probed",
  ];
  return parseFacts("hv1", lines, 1001);
}

const wanted = (toplevel: string, rebootPolicy: "never" | "ifRequired" = "never") =>
  inputs.parse({ host: "hv1", drvPath: path("a.drv"), toplevel, rebootPolicy });

describe("a reboot is required", () => {
  test("if the kernel is not the booted one, and not for another system alone", () => {
    expect(facts().system.rebootRequired).toBe(false);
    expect(facts({ current: B }).system.rebootRequired).toBe(false);
    expect(facts({ current: B, kernels: ["k2", "k1"] }).system.rebootRequired).toBe(true);
  });

  test("never on a host that does not run NixOS", () => {
    const none = { current: "/run/current-system", booted: "/run/booted-system" };
    const { system } = facts({ ...none, profile: "/nix/var/nix/profiles/system" });
    expect(system).toMatchObject({ current: "", booted: "", profile: "", rebootRequired: false });
  });
});

describe("a preview tells", () => {
  const explain = (
    given: {
      toplevel?: string;
      policy?: "never" | "ifRequired";
      boot?: string;
      packages?: Record<string, string>;
    },
    host: Partial<Host> = {},
    before: Partial<{
      toplevel: string;
      bootHash: string;
      packages: Record<string, string>;
    }> | null = {},
  ): string | undefined => {
    const {
      toplevel = B,
      policy = "ifRequired",
      boot = "h2",
      packages = { hello: "2.13" },
    } = given;
    const was = { ...wanted(A), bootHash: "h1", packages: { hello: "2.12" }, ...before };
    return explainSystem(
      { ...wanted(toplevel, policy), bootHash: boot, packages },
      stateOf(facts(host), { urn: "urn" }),
      before === null ? undefined : was,
    );
  };
  const system = `hv1: system ${A} -> ${B}`;
  const reboots = "reboots: kernel or initrd changes; its VMs stop and start again";

  test("shows the system, its packages, and a reboot with its effect on VMs", () => {
    expect(explain({})).toBe(`${system}; packages: hello 2.12 -> 2.13; ${reboots}`);
    expect(explain({ policy: "never" })).toMatch(
      /kernel or initrd changes: reboot the host yourself \(rebootPolicy: never\)$/,
    );
    expect(explain({ boot: "h1", packages: {} })).toBe(system);
  });

  test("shows a reboot that the running system already requires", () => {
    const kernels: [string, string] = ["k2", "k1"];
    expect(explain({ toplevel: A }, { kernels })).toBe(`hv1: ${reboots}`);
    expect(explain({ boot: "h1", packages: {} }, { kernels })).toBe(`${system}; ${reboots}`);
    expect(explain({ toplevel: A })).toBeUndefined();
  });

  test("shows no reboot if it cannot be predicted", () => {
    for (const before of [null, { bootHash: "" }, { toplevel: B }]) {
      expect(explain({ packages: {} }, {}, before)).toBe(system);
    }
    expect(explain({ boot: "", packages: {} })).toBe(system);
    expect(explain({ packages: {} }, { kernels: ["k2", "k1"] })).toBe(system);
  });

  test("shows nothing for a state from before these outputs existed", () => {
    const added = ["vmDerivations", "packages", "bootHash"];
    const old = Object.fromEntries(
      Object.entries(wanted(A)).filter(([key]) => !added.includes(key)),
    );
    const news = {
      ...wanted(A),
      bootHash: "h1",
      packages: { a: "1" },
      vmDerivations: [path("v.drv")],
    };
    const state = { ...stateOf(facts(), { urn: "urn" }), ownership: "owned" };
    const resource = RESOURCES.get("microvm:index:NixosSystem");
    expect(resource?.diff(toMap(state), toMap(old), toMap(news), []).size).toBe(0);
  });
});

describe("the next step", () => {
  const NEXT: [string, Partial<Host>, string, "never" | "ifRequired", string][] = [
    ["nothing to do", {}, A, "never", "done"],
    ["another system is activated", {}, B, "never", "switch"],
    [
      "an unconfirmed trial is repeated",
      { trial: `switching ${B} ${A} ${BOOT}` },
      B,
      "never",
      "switch",
    ],
    [
      "a trial of another system is ended",
      { current: B, trial: `switching ${B} ${A} ${BOOT}` },
      A,
      "never",
      "switch",
    ],
    [
      "a confirmed system becomes the default",
      { current: B, trial: `confirmed ${B} ${A} ${BOOT}` },
      B,
      "never",
      "default",
    ],
    [
      "a running system that is not in the profile becomes the default",
      { current: B },
      B,
      "never",
      "default",
    ],
    [
      "a new kernel requires the operator with policy never",
      { current: B, profile: B, kernels: ["k2", "k1"] },
      B,
      "never",
      "done",
    ],
    [
      "a new kernel is booted with policy ifRequired",
      { current: B, kernels: ["k2", "k1"] },
      B,
      "ifRequired",
      "reboot",
    ],
    [
      "a requested boot that did not happen is requested again",
      { current: B, trial: `booting ${B} ${A} ${BOOT} 60` },
      B,
      "ifRequired",
      "reboot",
    ],
    [
      "a boot of the new system is confirmed",
      { current: B, booted: B, trial: `booting ${B} ${A} ${OTHER_BOOT} 60` },
      B,
      "ifRequired",
      "confirm",
    ],
    [
      "a boot of the previous system means that the trial failed",
      { trial: `booting ${B} ${A} ${OTHER_BOOT} 60` },
      B,
      "ifRequired",
      "settle",
    ],
    [
      "a requested boot of a system that the site no longer wants is canceled",
      { trial: `booting ${B} ${A} ${BOOT} 60` },
      A,
      "ifRequired",
      "switch",
    ],
  ];

  test.each(NEXT)("%s", (_, host, toplevel, policy, step) => {
    expect(nextStep(facts(host), wanted(toplevel, policy), true)).toBe(step);
  });

  const hosts = fc.record({
    current: fc.constantFrom(A, B),
    booted: fc.constantFrom(A, B),
    profile: fc.constantFrom(A, B),
    kernels: fc.constantFrom<[string, string]>(["k1", "k1"], ["k2", "k1"]),
    trial: fc
      .tuple(
        fc.constantFrom("switching", "rolling-back", "confirmed", "booting"),
        fc.constantFrom(`${A} ${B}`, `${B} ${A}`),
        fc.constantFrom(BOOT, OTHER_BOOT),
      )
      .map((words) => words.join(" ")),
  });
  const policy = fc.constantFrom<"never" | "ifRequired">("never", "ifRequired");
  const host = fc.oneof(
    hosts,
    hosts.map((one) => ({ ...one, trial: "" })),
  );

  test("is done if and only if the diff is empty, so that preview and up agree", () => {
    const resource = RESOURCES.get("microvm:index:NixosSystem");
    if (resource === undefined) throw new Error("no NixosSystem");
    fc.assert(
      fc.property(host, fc.constantFrom(A, B), policy, (one, toplevel, rebootPolicy) => {
        const want = wanted(toplevel, rebootPolicy);
        const state = { ...stateOf(facts(one), { urn: "urn" }), ownership: "owned" };
        const changes = resource.diff(toMap(state), toMap(want), toMap(want), []);
        const step = nextStep(facts(one), want, true);
        expect(changes.size === 0).toBe(step === "done");
      }),
    );
  });

  test("is never done while the record is not ours", () => {
    fc.assert(
      fc.property(host, fc.constantFrom(A, B), (one, toplevel) => {
        expect(nextStep(facts(one), wanted(toplevel), false)).not.toBe("done");
      }),
    );
  });
});
