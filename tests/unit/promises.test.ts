/** The tables of contract/ are whole: keys of the site file, kinds of changes, and drift. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { parseDocument } from "yaml";
import { OTHER_DRIFT, VM_DRIFT } from "../../contract/drift";
import { EFFECTS, strongest } from "../../contract/effects";
import { KINDS, kindOf, remedyOf } from "../../contract/promises";
import type { Effect } from "../../contract/effects";
import type { KindName } from "../../contract/promises";
import { SITE_KEYS } from "../../contract/siteKeys";
import { hypervisor } from "../../provider/resources/hosts/hypervisor";
import { nixosSystem } from "../../provider/resources/hosts/nixosSystem";
import { microVm } from "../../provider/resources/machines/microVm";
import { nixClosure } from "../../provider/resources/machines/nixClosure";
import { volume } from "../../provider/resources/machines/volume";
import { changesPage } from "../../site/changesPage";
import { siteKeys } from "../../site/keys";
import { parseSite } from "../../site/load";
import * as values from "../grpc/inputs";

const SITE = `
flake: path:.
profiles: { worker: { vcpu: 1, memory: 128MiB } }
hypervisors:
  hv1:
    address: 192.0.2.11
    ssh:
      hostKey: ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIFVddpft3uvfFTe1YbhbebgnsAlax57h0p0jKK4+1kZ/
    nic: eno1
    hostIp: 192.0.2.11/24
vms:
  kw1: { hypervisor: hv1, profile: worker, ip: 192.0.2.31, mac: "02:00:00:00:00:31" }
`;

const KIND_NAMES = Object.keys(KINDS).filter((name): name is KindName => name in KINDS);
const EFFECT_NAMES = Object.keys(EFFECTS).filter((name): name is Effect => name in EFFECTS);

test("each key of the site file has a row, and each row a key", () => {
  const keys = siteKeys();
  expect(keys.length).toBeGreaterThan(100);
  expect(keys).toEqual(expect.arrayContaining(["vms.*", "vms.*.volumes.*.size", "flake"]));
  expect([...keys].sort()).toEqual(Object.keys(SITE_KEYS).sort());
});

describe("a key of a profile does what the same key of a VM does", () => {
  const VALUES: Readonly<Record<string, unknown>> = {
    vcpu: 3,
    memory: "3GiB",
    memoryTarget: "64MiB",
    startTimeout: "1m",
    switchTimeout: "1m",
    volumeTimeout: "1m",
    updatePolicy: "restart",
    volumes: { var: { size: "1GiB" } },
    shares: { data: { source: "/srv/a", mountPoint: "/srv/b" } },
    network: { cidr: "192.0.2.0/25", gateway: "192.0.2.9", nameservers: ["192.0.2.8"] },
  };

  function modelWith(where: "profiles.worker" | "vms.kw1", key: string): unknown {
    const document = parseDocument(SITE);
    document.setIn([...where.split("."), key], document.createNode(VALUES[key]));
    return parseSite(document.toString(), "/site.yaml").vms;
  }

  test.each(Object.keys(VALUES))("%s", (key) => {
    expect(modelWith("profiles.worker", key)).toEqual(modelWith("vms.kw1", key));
    expect(modelWith("vms.kw1", key)).not.toEqual(parseSite(SITE, "/site.yaml").vms);
  });

  test("these are all of them, with the same kinds", () => {
    const ofProfiles = Object.keys(SITE_KEYS).filter((key) => key.startsWith("profiles.*."));
    const tops = new Set(ofProfiles.map((key) => key.split(".")[2]));
    expect([...tops].sort()).toEqual(Object.keys(VALUES).sort());
    for (const key of ofProfiles) {
      expect(SITE_KEYS[key.replace("profiles", "vms")]).toBe(SITE_KEYS[key]);
    }
  });
});

test("each kind of change is that of a key, or of drift", () => {
  const ofKeys = new Set(Object.values(SITE_KEYS));
  expect(KIND_NAMES.filter((name) => !ofKeys.has(name))).toEqual(["tap", "tapMissing"]);
});

test("what is refused has a remedy", () => {
  for (const name of KIND_NAMES) {
    const { vms, otherwise } = kindOf(name);
    if (![...Object.values(vms), otherwise].includes("refused")) continue;
    expect([name, remedyOf(name)]).toEqual([name, expect.stringMatching(/\w.*\.$/)]);
  }
});

test("the strongest effect wins", () => {
  expect(strongest([])).toBe("nothing");
  for (const [index, effect] of EFFECT_NAMES.entries()) {
    const weaker = EFFECT_NAMES.slice(0, index);
    expect(strongest([...weaker, effect, ...weaker])).toBe(effect);
  }
});

test("what cannot change is what the resources refuse, with the table's remedy", () => {
  expect(microVm.immutable.host).toBe(remedyOf("move"));
  for (const property of ["image", "fsType", "vm", "name"] as const) {
    expect(volume.immutable[property]).toBe(remedyOf("volumeFixed"));
  }
});

describe("drift", () => {
  const foreign = "owned by urn:pulumi:other::p::t::n";
  /** A state in which everything drifted, and inputs that want everything else. */
  const all: Readonly<Record<string, [readonly string[], string[]]>> = {
    MicroVm: [
      microVm.mirrored,
      [
        ...vmDrift({ running: true, stale: true, system: values.storePath("c"), taps: ["none"] }),
        ...vmDrift({ running: false, guestHostKey: "" }),
      ],
    ],
    Volume: [
      volume.mirrored,
      volume.drift(
        volume.outputs.parse({ sizeMiB: 1, status: "x", ownership: foreign, content: "x" }),
        volume.inputs.parse(values.volume),
      ),
    ],
    NixClosure: [
      nixClosure.mirrored,
      nixClosure.drift(
        nixClosure.outputs.parse({ paths: {}, ownership: foreign }),
        nixClosure.inputs.parse(values.closure),
      ),
    ],
    Hypervisor: [
      hypervisor.mirrored,
      hypervisor.drift(
        hypervisor.outputs.parse({
          machineId: "",
          hostname: "",
          verdicts: { kvm: "failed" },
          ownership: foreign,
        }),
        hypervisor.inputs.parse(values.hypervisor),
      ),
    ],
    NixosSystem: [
      nixosSystem.mirrored,
      nixosSystem.drift(
        nixosSystem.outputs.parse({
          machineId: "",
          toplevel: "",
          booted: "",
          profile: "",
          rebootRequired: true,
          status: "switching",
          rolledBack: "",
          ownership: foreign,
        }),
        nixosSystem.inputs.parse({
          host: "hv1",
          drvPath: values.storePath("system.drv"),
          toplevel: values.storePath("system"),
          rebootPolicy: "ifRequired",
        }),
      ),
    ],
  };

  function vmDrift(more: object): string[] {
    const state = microVm.outputs.parse({
      runner: "",
      toplevel: "",
      restart: "",
      booted: "",
      running: false,
      stale: false,
      autostart: false,
      guestHostKey: "x",
      ownership: foreign,
      status: "starting",
      memoryTargetMiB: 1,
      memoryPending: true,
      ...more,
    });
    return microVm.drift(state, microVm.inputs.parse({ ...values.vm, bridge: "br0" }));
  }

  const tables: Readonly<Record<string, object>> = { MicroVm: VM_DRIFT, ...OTHER_DRIFT };
  test.each(Object.keys(tables))("of a %s is what the table lists, and no more", (type) => {
    const [mirrored = [], compared = []] = all[type] ?? [];
    const named = compared.map((property) =>
      property.replace(/^paths\..*/, "paths.KEY").replace(/^verdicts\..*/, "verdicts.CHECK"),
    );
    expect([...new Set([...mirrored, ...named])].sort()).toEqual(
      Object.keys(tables[type] ?? {}).sort(),
    );
  });
});

test("docs/changes.md is fresh: npm run schema", () => {
  const file = join(__dirname, "..", "..", "docs", "changes.md");
  expect(readFileSync(file, "utf8")).toBe(changesPage());
});
