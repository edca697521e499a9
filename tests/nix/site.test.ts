/**
 * mkSite: from the YAML by the program's own site.json to the modules of each machine, and to `pulumiMicrovm` as
 * the program reads it. nixpkgs, microvm.nix and k0s-nix are stand-ins (evaluate.nix).
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { z } from "zod";
import { parseEvaluation } from "../../components/evaluation/evaluate";
import { parseSite } from "../../site/load";
import { siteJson } from "../../site/siteJson";
import { complaint, evaluate, repository, stackJson } from "./nix";

/** site.json of a stack whose YAML was edited. */
function edited(stack: string, edit: (text: string) => string): string {
  const file = join(repository, "stacks", `${stack}.yaml`);
  const text = readFileSync(file, "utf8");
  const changed = edit(text);
  expect(changed).not.toBe(text);
  return siteJson(parseSite(changed, file));
}

describe("the machines of stacks/example-production.yaml", () => {
  const site = stackJson("example-production");

  test("all of them evaluate, and nothing stands in their way", () => {
    const failing = evaluate(
      "builtins.mapAttrs (_: t.failing) (t.systems site { }).machines",
      site,
    );
    expect(failing).toEqual({ gpu1: [], kc1: [], kc2: [], kc3: [], kw1: [], kw2: [], kw3: [] });
  });

  test("what the YAML states is what the VM is", () => {
    const kw1 = evaluate(
      `let c = (t.systems site { }).machines.kw1; in {
        inherit (c.networking) hostName;
        inherit (c.microvm) vcpu mem volumes;
        mounts = builtins.mapAttrs (_: fs: fs.device) c.fileSystems;
        inherit (c.systemd.network.networks."10-site") address gateway dns matchConfig;
        k0s = { inherit (c.services.k0s) enable role; inherit (c.services.k0s.spec.api) address; };
        keys = builtins.length c.users.users.root.openssh.authorizedKeys.keys;
      }`,
      site,
    );
    const image = (name: string, size: number) => ({
      image: `/var/lib/microvms/kw1/${name}.img`,
      serial: name,
      mountPoint: null,
      size,
      autoCreate: false,
    });
    expect(kw1).toEqual({
      hostName: "kw1",
      vcpu: 16,
      mem: 65536,
      volumes: [image("osd", 2 * 1024 * 1024), image("var", 200 * 1024)],
      mounts: { "/etc": null, "/var": "/dev/disk/by-label/kw1-var" },
      address: ["192.0.2.31/24"],
      gateway: ["192.0.2.1"],
      dns: ["192.0.2.1"],
      matchConfig: { MACAddress: "02:00:c0:00:02:31" },
      k0s: { enable: true, role: "worker", address: "192.0.2.31" },
      keys: 2,
    });
  });

  test("a hypervisor is built where it has a module of its own, and gets its bridge from the site", () => {
    const found = evaluate(
      `let hosts = (t.systems site { hypervisors.rack1-hv1.microvm-bridge.gateway = "192.0.2.1"; }).hypervisors; in
       builtins.mapAttrs (_: c: {
         failing = t.failing c;
         inherit (c.networking) hostName;
         bridge = c.systemd.network.networks."10-br0".address;
         card = c.systemd.network.networks."10-eno1".networkConfig.Bridge;
       }) hosts`,
      site,
    );
    expect(found).toEqual({
      "rack1-hv1": {
        failing: [],
        hostName: "rack1-hv1",
        bridge: ["192.0.2.11/24"],
        card: "br0",
      },
    });
  });

  test("an edit for one VM changes no other one", () => {
    const more = edited("example-production", (text) =>
      text.replace("  kw1:\n", "  kw1:\n    memory: 60GiB\n"),
    );
    const systems = "(t.systems site { }).machines";
    const withoutKw1 = (machines: unknown) =>
      Object.entries(z.record(z.string(), z.unknown()).parse(machines)).filter(
        ([name]) => name !== "kw1",
      );
    const was = evaluate(systems, site);
    const is = evaluate(systems, more);
    expect(withoutKw1(is)).toEqual(withoutKw1(was));
    expect(is).not.toEqual(was);
  });
});

describe("the machines of stacks/lab.yaml", () => {
  const site = stackJson("lab");

  test("their sizes and addresses; a k0s node without /var on a disk is refused", () => {
    const found = evaluate(
      `builtins.mapAttrs (_: c: {
        inherit (c.microvm) vcpu mem;
        inherit (c.systemd.network.networks."10-site") address;
        failing = t.failing c;
      }) (t.systems site { }).machines`,
      site,
    );
    const lost = [expect.stringContaining("give the VM a volume mounted at /var")];
    expect(found).toEqual({
      kc1: { vcpu: 1, mem: 256, address: ["198.18.0.21/24"], failing: lost },
      kw1: { vcpu: 1, mem: 192, address: ["198.18.0.31/24"], failing: lost },
      kw2: { vcpu: 1, mem: 192, address: ["198.18.0.32/24"], failing: lost },
    });
  });

  test("the profile is a name by which modules are picked, and in no system", () => {
    const renamed = edited("lab", (text) =>
      text.replaceAll(/worker:$/gm, "compute:").replaceAll("profile: worker", "profile: compute"),
    );
    expect(renamed).toContain('"profile": "compute"');
    const systems = "(t.systems site { }).machines";
    expect(evaluate(systems, renamed)).toEqual(evaluate(systems, site));
  });
});

describe("the user's own modules", () => {
  const site = edited("example-production", (text) =>
    text.replace(
      "role: controller\n    ip: 192.0.2.21",
      "role: controller+worker\n    ip: 192.0.2.21",
    ),
  );
  const mark = (name: string) => `{ boot.kernelModules = [ "${name}" ]; }`;

  test("are merged by all, guests, profile, role and name, one or a list", () => {
    const found = evaluate(
      `builtins.mapAttrs (_: c: c.boot.kernelModules) (t.systems site {
        all = ${mark("all")};
        guests = [ ${mark("guests")} ];
        hosts = ${mark("hosts")};
        profiles.worker = ${mark("profile")};
        roles.worker = ${mark("role-worker")};
        roles.controller = ${mark("role-controller")};
        machines.kw2 = ${mark("kw2")};
        machines.gone = ${mark("gone")};
      }).machines`,
      site,
    );
    const ceph = ["rbd", "ceph"];
    const sorted = (names: string[]): unknown => expect.arrayContaining(names);
    expect(found).toMatchObject({
      kc1: sorted([...ceph, "all", "guests", "role-controller", "role-worker"]),
      kc2: sorted(["all", "guests", "role-controller"]),
      kw1: sorted([...ceph, "all", "guests", "profile", "role-worker"]),
      kw2: sorted([...ceph, "all", "guests", "profile", "role-worker", "kw2"]),
    });
    expect(found).toHaveProperty("kc2.length", 3);
    expect(found).toHaveProperty("kw1.length", 6);
  });

  test("see their own slice of the site as an argument, and no profile", () => {
    const found = evaluate(
      `let
        told = machine: { warnings = [ (builtins.toJSON machine) ]; };
        s = t.systems site {
          machines.kw1 = { machine, ... }: told machine;
          hypervisors.rack1-hv1 = { hypervisor, ... }: told hypervisor;
        };
        last = config: builtins.fromJSON (builtins.elemAt config.warnings (builtins.length config.warnings - 1));
      in { machine = last s.machines.kw1; hypervisor = last s.hypervisors.rack1-hv1; }`,
      stackJson("example-production"),
    );
    const slice = z.record(z.string(), z.unknown());
    const all = z
      .object({ machines: z.record(z.string(), slice), hypervisors: z.record(z.string(), slice) })
      .parse(JSON.parse(stackJson("example-production")));
    const machine = { ...all.machines["kw1"] };
    expect(machine).toHaveProperty("profile");
    delete machine["profile"];
    expect(found).toEqual({ machine, hypervisor: all.hypervisors["rack1-hv1"] });
  });

  test("win over our defaults, not over the site", () => {
    const systems = (module: string) => `(t.systems site { guests = ${module}; }).machines.kw1`;
    expect(evaluate(`${systems("{ microvm.balloon = false; }")}.microvm.balloon`, site)).toBe(
      false,
    );
    expect(complaint(`${systems("{ microvm.vcpu = 3; }")}.microvm.vcpu`, site)).toMatch(
      /microvm\.vcpu.*conflicting/,
    );
  });
});

describe("what mkSite refuses", () => {
  test("says all faults at once", () => {
    const said = complaint(
      `t.lib.mkForce (import ../nixos/lib/site.nix {
        inherit (t) lib;
        parts = t.parts // { k0s = null; };
        modules = { machine.kw1 = { }; roles.master = { }; };
        site = { version = 1; machines.a = { role = "worker"; }; machines.b = { }; hypervisors.b = { }; };
      }).machines`.replace("../nixos", `${repository}/nixos`),
    );
    expect(said).toContain("modules.machine is not known; known are all, guests");
    expect(said).toContain("modules.roles.master is not a role; roles are controller and worker");
    expect(said).toContain("b is a machine and a hypervisor");
    expect(said).toContain("machine a has the role worker, but there is no k0s-nix");
  });

  test("a site of another version", () => {
    expect(complaint("t.systems { version = 2; } { }")).toContain(
      "site.json has version 2; this library reads version 1",
    );
  });
});

describe("pulumiMicrovm", () => {
  let directory: string;
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), "pulumi-microvm-site-"));
  });
  afterEach(() => rmSync(directory, { recursive: true, force: true }));

  function output(site: string, modules = "machines.kc1.k0s-node.isLeader = true;"): string {
    writeFileSync(join(directory, "site.json"), site);
    return `(t.mkSite {
      inherit (t.inputs) nixpkgs microvm k0s-nix;
      site = "${directory}";
      modules = { all.system.stateVersion = "26.05"; ${modules} };
    })`;
  }
  const machinesOf = (site: string, modules?: string) =>
    parseEvaluation(JSON.stringify(evaluate(`${output(site, modules)}.pulumiMicrovm`)), "flake")
      .machines;

  const site = stackJson("example-production");

  test("is what the program reads, for every machine", () => {
    const machines = machinesOf(site);
    expect(Object.keys(machines)).toEqual(["gpu1", "kc1", "kc2", "kc3", "kw1", "kw2", "kw3"]);
    expect(machines["kw1"]?.runner.outPath).toMatch(/^\/nix\/store\/.*-microvm-qemu-kw1-/);
    expect(machines["kw1"]?.toplevel.drvPath).toMatch(/nixos-system-kw1-.*\.drv$/);
    expect(machines["kw1"]?.hardware).toMatch(/^[0-9a-f]{64}$/);
  });

  test("has hypervisors, and the versions of packages", () => {
    const found = evaluate(
      `let o = ${output(site, "machines.kc1.k0s-node.isLeader = true; hypervisors.rack1-hv2 = { };")}.pulumiMicrovm; in {
        hypervisors = builtins.mapAttrs (_: builtins.attrNames) o.hypervisors;
        host = o.hypervisors.rack1-hv2.packages;
        guest = o.machines.kw1.packages;
      }`,
    );
    const common = { hello: "2.10, 2.12", linux: "6.12.1", systemd: "258" };
    expect(found).toEqual({
      hypervisors: { "rack1-hv2": ["bootHash", "drvPath", "outputs", "packages"] },
      host: common,
      guest: { ...common, k0s: "1.35.1", qemu: "10.1" },
    });
  });

  test("`bootHash` changes with what takes a reboot, and not with the system alone", () => {
    const found = evaluate(
      `let
        host = module: (${output(site, "machines.kc1.k0s-node.isLeader = true; hypervisors.rack1-hv2.imports = [ module ];")}).pulumiMicrovm.hypervisors.rack1-hv2;
        was = host { };
        key = host { users.users.root.openssh.authorizedKeys.keys = [ "ssh-ed25519 AAAA more" ]; };
        module = host { boot.kernelModules = [ "more" ]; };
      in {
        inherit (was) bootHash;
        system = [ (key.outputs == was.outputs) (module.outputs == was.outputs) ];
        boot = [ (key.bootHash == was.bootHash) (module.bootHash == was.bootHash) ];
      }`,
    );
    expect(found).toMatchObject({ system: [false, false], boot: [true, false] });
    expect(JSON.stringify(found)).toMatch(/"bootHash":"[0-9a-f]{64}"/);
  });

  test("a guest can be switched live where microvm.nix's deploy.rebuild would", () => {
    const found = evaluate(
      `let live = module: (${output(site, "machines.kc1.k0s-node.isLeader = true; machines.kw1.imports = [ module ];")}).pulumiMicrovm.machines.kw1.liveSwitch; in
      map live [
        { }
        { system.switch.enable = false; }
        { nix.enable = false; }
        { services.openssh.enable = t.lib.mkForce false; }
        { microvm.shares = t.lib.mkForce [ { tag = "data"; source = "/srv/data"; mountPoint = "/data"; } ]; }
      ]`,
    );
    expect(found).toEqual([true, false, false, false, false]);
  });

  test("`hardware` changes with what the VMM gets, and not with the system", () => {
    const was = machinesOf(site)["kw1"];
    const keys = machinesOf(
      edited("example-production", (text) => text.replace(/^ {4}- ssh-ed25519 .* bob$/m, "")),
    )["kw1"];
    expect(keys?.toplevel).not.toEqual(was?.toplevel);
    expect(keys?.runner).not.toEqual(was?.runner);
    expect(keys?.hardware).toBe(was?.hardware);
    const vcpu = machinesOf(
      edited("example-production", (text) => text.replace("vcpu: 16", "vcpu: 8")),
    )["kw1"];
    expect(vcpu?.hardware).not.toBe(was?.hardware);
  });

  test.each([
    ["a wrong value", "machine kw2", "machines.kw2.microvm.vcpu = 3;"],
    ["an option that there is not", "machine kw2", "machines.kw2.services.nosuch.enable = true;"],
    ["a syntax error", "machine kw2", 'machines.kw2 = "DIRECTORY/broken.nix";'],
    ["a file that is missing", "machine kw2", 'machines.kw2 = "DIRECTORY/missing.nix";'],
    [
      "an endless recursion",
      "machine kw2",
      "machines.kw2 = ({ config, ... }: { networking.hostName = config.networking.hostName; });",
    ],
    [
      "another option that there is not",
      "hypervisor rack1-hv2",
      "hypervisors.rack1-hv2.services.nosuch.enable = true;",
    ],
  ])("names where it is: %s", (_, where, modules) => {
    writeFileSync(join(directory, "broken.nix"), "{ networking = ; }");
    const leader = "machines.kc1.k0s-node.isLeader = true;";
    const given = `${leader} ${modules.replaceAll("DIRECTORY", directory)}`;
    expect(complaint(`${output(site, given)}.pulumiMicrovm`)).toContain(
      `while evaluating ${where} of the site`,
    );
  });

  test.each([
    ["none does", ""],
    [
      "kc1 and kc3 do",
      "machines.kc1.k0s-node.isLeader = true; machines.kc3.k0s-node.isLeader = true;",
    ],
  ])("refuses a cluster that %s begin", (who, modules) => {
    expect(complaint(`${output(site, modules)}.pulumiMicrovm`)).toContain(
      `one controller begins the k0s cluster, here ${who}; set k0s-node.isLeader = true in the module of exactly one of kc1, kc2, kc3`,
    );
  });

  test("nixosConfigurations has the same systems, by the names of the site", () => {
    const modules = "machines.kc1.k0s-node.isLeader = true; hypervisors.rack1-hv1 = { };";
    expect(evaluate(`builtins.attrNames ${output(site, modules)}.nixosConfigurations`)).toEqual([
      "gpu1",
      "kc1",
      "kc2",
      "kc3",
      "kw1",
      "kw2",
      "kw3",
      "rack1-hv1",
    ]);
  });
});
