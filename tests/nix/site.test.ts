/**
 * mkSite: the program's code turns YAML into site.json, and mkSite turns that into the modules of
 * each machine. nixpkgs, microvm.nix and k0s-nix are stand-ins (evaluate.nix).
 */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { z } from "zod";
import { complaint, edited, evaluate, evaluateWithWarnings, repository, stackJson } from "./nix";

describe("the machines of stacks/example-production.yaml", () => {
  const site = stackJson("example-production");

  test("all of them evaluate, and no assertion fails", () => {
    const failing = evaluate(
      "builtins.mapAttrs (_: t.failing) (t.systems site { }).machines",
      site,
    );
    expect(failing).toEqual({ gpu1: [], kc1: [], kc2: [], kc3: [], kw1: [], kw2: [], kw3: [] });
  });

  test("the options of a VM are those of the YAML", () => {
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

  test("a hypervisor is built if it has its own module, and gets its bridge from the site", () => {
    const found = evaluate(
      `let hosts = (t.systems site {
         hypervisors.rack1-hv1.microvm-bridge.gateway = "192.0.2.1";
       }).hypervisors; in
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

  test("an edit of one VM changes no other VM", () => {
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

  const failing = "builtins.mapAttrs (_: t.failing) (t.systems site { }).machines";

  test("have their sizes and addresses, and no assertion fails", () => {
    const found = evaluate(
      `builtins.mapAttrs (_: c: {
        inherit (c.microvm) vcpu mem;
        inherit (c.systemd.network.networks."10-site") address;
      }) (t.systems site { }).machines`,
      site,
    );
    expect(found).toEqual({
      kc1: { vcpu: 1, mem: 256, address: ["198.18.0.21/24"] },
      kw1: { vcpu: 1, mem: 192, address: ["198.18.0.31/24"] },
      kw2: { vcpu: 1, mem: 192, address: ["198.18.0.32/24"] },
    });
    expect(evaluate(failing, site)).toEqual({ kc1: [], kw1: [], kw2: [] });
  });

  test("a k0s node without /var on a disk is rejected", () => {
    const bare = edited("lab", (text) => text.replaceAll(", mountPoint: /var", ""));
    const lost = [expect.stringContaining("add a volume with the mount point /var")];
    expect(evaluate(failing, bare)).toEqual({ kc1: lost, kw1: lost, kw2: lost });
  });

  test("the profile selects modules and is not part of any system", () => {
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
    const ceph = ["rbd", "ceph", "nbd"];
    const sorted = (names: string[]): unknown => expect.arrayContaining(names);
    expect(found).toMatchObject({
      kc1: sorted([...ceph, "all", "guests", "role-controller", "role-worker"]),
      kc2: sorted(["all", "guests", "role-controller"]),
      kw1: sorted([...ceph, "all", "guests", "profile", "role-worker"]),
      kw2: sorted([...ceph, "all", "guests", "profile", "role-worker", "kw2"]),
    });
    expect(found).toHaveProperty("kc2.length", 3);
    expect(found).toHaveProperty("kw1.length", 7);
  });

  test("a warning names each entry that matches nothing, once", () => {
    const { value, warnings } = evaluateWithWarnings(
      `builtins.attrNames (t.systems site {
        machines = { kw1 = { }; kw9 = { }; };
        profiles = { worker = { }; large = { }; };
        roles = { worker = { }; controller = { }; };
        hypervisors = { rack1-hv1 = { }; rack9-hv1 = { }; };
      })`,
      site,
    );
    expect(value).toEqual(["hypervisors", "machines"]);
    const unused = (entry: string, reason: string) =>
      `mkSite: modules.${entry} is not used: ${reason}; correct the name or remove the entry`;
    expect(warnings.sort()).toEqual([
      unused("hypervisors.rack9-hv1", "the site has no hypervisor rack9-hv1"),
      unused("machines.kw9", "the site has no VM kw9"),
      unused("profiles.large", "no VM in the site has the profile large"),
    ]);
    const noWorkers = JSON.stringify({ version: 1, machines: {}, hypervisors: {} });
    const roles = evaluateWithWarnings(
      "(t.systems site { roles.worker = { }; }).machines",
      noWorkers,
    );
    expect(roles.warnings).toEqual([
      unused("roles.worker", "no VM in the site has the role worker"),
    ]);
  });

  test("see their own slice of the site as an argument, and no profile", () => {
    const found = evaluate(
      `let
        report = machine: { warnings = [ (builtins.toJSON machine) ]; };
        s = t.systems site {
          machines.kw1 = { machine, ... }: report machine;
          hypervisors.rack1-hv1 = { hypervisor, ... }: report hypervisor;
        };
        lastOf = list: builtins.elemAt list (builtins.length list - 1);
        last = config: builtins.fromJSON (lastOf config.warnings);
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

  test("override our defaults, but not the site", () => {
    const systems = (module: string) => `(t.systems site { guests = ${module}; }).machines.kw1`;
    expect(evaluate(`${systems("{ microvm.balloon = false; }")}.microvm.balloon`, site)).toBe(
      false,
    );
    expect(complaint(`${systems("{ microvm.vcpu = 3; }")}.microvm.vcpu`, site)).toMatch(
      /microvm\.vcpu.*conflicting/,
    );
  });
});

describe("a hardware-configuration.nix that nixos-generate-config wrote", () => {
  const site = stackJson("example-production");
  const generated = `{
    networking.useDHCP = t.lib.mkDefault true;
    nixpkgs.hostPlatform = t.lib.mkDefault "aarch64-linux";
  }`;

  test("overrides the defaults of a hypervisor and of a VM", () => {
    const directory = mkdtempSync(join(tmpdir(), "pulumi-microvm-site-"));
    try {
      writeFileSync(join(directory, "site.json"), site);
      const found = evaluate(`let
        o = t.mkSite {
          inherit (t.inputs) nixpkgs microvm k0s-nix;
          site = "${directory}";
          modules = {
            all.system.stateVersion = "26.05";
            machines.kw1 = ${generated};
            hypervisors.rack1-hv1 = ${generated};
            hypervisors.rack1-hv2 = { };
          };
        };
        settings = name: let inherit (o.nixosConfigurations.\${name}) config; in
          [ config.networking.useDHCP config.nixpkgs.hostPlatform ];
      in map settings [ "rack1-hv1" "kw1" "rack1-hv2" "kw2" ]`);
      expect(found).toEqual([
        [true, "aarch64-linux"],
        [true, "aarch64-linux"],
        [false, "x86_64-linux"],
        [false, "x86_64-linux"],
      ]);
    } finally {
      rmSync(directory, { recursive: true, force: true });
    }
  });
});

describe("mkSite rejects", () => {
  test("faulty modules and sites, with all errors together", () => {
    const said = complaint(
      `t.lib.mkForce (import ../nixos/lib/site.nix {
        inherit (t) lib;
        parts = t.parts // { k0s = null; };
        modules = { machine.kw1 = { }; roles.master = { }; };
        site = {
          version = 1;
          machines = { a.role = "worker"; b = { }; };
          hypervisors.b = { };
        };
      }).machines`.replace("../nixos", `${repository}/nixos`),
    );
    expect(said).toContain("modules.machine is unknown; use one of all, guests");
    expect(said).toContain("modules.roles.master is not a role; use controller or worker");
    expect(said).toContain("b is both a machine and a hypervisor; rename one of them");
    expect(said).toContain("machine a has the role worker, which requires k0s-nix");
  });

  test("a site of another version", () => {
    expect(complaint("t.systems { version = 2; } { }")).toContain(
      "site.json has version 2; mkSite supports version 1",
    );
  });
});
