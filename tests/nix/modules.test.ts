/**
 * Our NixOS modules. options.nix declares the options of NixOS, microvm.nix and k0s-nix that they
 * use. standin.nix replaces nixpkgs' lib; NIXPKGS_LIB=... uses the real one.
 */
import { script } from "../../provider/hosts/transport/script";
import { execFileSync } from "node:child_process";
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { z } from "zod";
import { complaint, evaluate, repository } from "./nix";

const kw1 = `{
  networking.hostName = "kw1";
  microvm-guest = {
    operatorKeys = [ "ssh-ed25519 AAAA me" ];
    network = {
      ip = "192.0.2.31"; prefixLength = 24; gateway = "192.0.2.1"; mac = "02:00:00:00:00:31";
    };
    volumes = [
      { name = "osd"; image = "/var/lib/microvms/kw1/osd.img"; sizeMiB = 2048; fsType = "none"; }
      {
        name = "var"; image = "/var/lib/microvms/kw1/var.img"; sizeMiB = 1024;
        label = "kw1-var"; mountPoint = "/var";
      }
    ];
  };
}`;

describe("microvm-guest", () => {
  test("a VM has a balloon, a read-only store, its own /etc, and no boot loader", () => {
    const found = evaluate(`let c = t.guest [ ${kw1} ]; in {
      failing = t.failing c;
      inherit (c) warnings;
      loaders = [ c.boot.loader.grub.enable c.boot.loader.systemd-boot.enable ];
      inherit (c.microvm) balloon deflateOnOOM volumes shares interfaces;
      etc = c.fileSystems."/etc".neededForBoot;
      var = c.fileSystems."/var";
    }`);
    expect(found).toEqual({
      failing: [],
      warnings: [],
      loaders: [false, false],
      balloon: true,
      deflateOnOOM: true,
      volumes: [
        {
          image: "/var/lib/microvms/kw1/osd.img",
          serial: "osd",
          mountPoint: null,
          size: 2048,
          autoCreate: false,
        },
        {
          image: "/var/lib/microvms/kw1/var.img",
          serial: "var",
          mountPoint: null,
          size: 1024,
          autoCreate: false,
        },
      ],
      shares: [
        {
          tag: "ro-store",
          source: "/nix/store",
          mountPoint: "/nix/.ro-store",
          proto: "virtiofs",
          readOnly: true,
        },
        {
          tag: "etc",
          source: "/var/lib/microvms/kw1/etc",
          mountPoint: "/etc",
          proto: "virtiofs",
          readOnly: false,
        },
      ],
      interfaces: [{ type: "tap", id: "vm-kw1", mac: "02:00:00:00:00:31" }],
      etc: true,
      var: { device: "/dev/disk/by-label/kw1-var", fsType: "ext4", neededForBoot: false },
    });
  });

  test("its network, its keys and its one host key", () => {
    const found = evaluate(`let c = t.guest [ ${kw1} ]; in {
      network = c.systemd.network.networks."10-site";
      inherit (c.services) openssh;
      keys = c.users.users.root.openssh.authorizedKeys.keys;
      dhcp = c.networking.useDHCP;
    }`);
    expect(found).toEqual({
      network: {
        matchConfig: { MACAddress: "02:00:00:00:00:31" },
        address: ["192.0.2.31/24"],
        gateway: ["192.0.2.1"],
        dns: [],
        networkConfig: { DHCP: "no" },
        linkConfig: { RequiredForOnline: "routable" },
      },
      openssh: {
        enable: true,
        hostKeys: [{ type: "ed25519", path: "/etc/ssh/ssh_host_ed25519_key" }],
        settings: {
          PasswordAuthentication: false,
          KbdInteractiveAuthentication: false,
          PermitRootLogin: "prohibit-password",
        },
      },
      keys: ["ssh-ed25519 AAAA me"],
      dhcp: false,
    });
  });

  test("reports its system on the hypervisor if its /etc is shared from there", () => {
    const found = evaluate(`let
      script = modules: (t.guest ([ ${kw1} ] ++ modules)).system.activationScripts;
    in {
      kept = (script [ ]).pulumi-microvm;
      own = script [ { microvm-guest.persistentEtc = false; } ];
    }`);
    expect(found).toEqual({
      kept: {
        deps: ["etc"],
        text: [
          "mkdir -p /etc/pulumi-microvm",
          'ln -sfn "$systemConfig" /etc/pulumi-microvm/system.new',
          "mv -T /etc/pulumi-microvm/system.new /etc/pulumi-microvm/system",
          "",
        ].join("\n"),
      },
      own: {},
    });
  });

  test("interface names are valid and distinct, also for VMs with long names", () => {
    const found = evaluate(`map (name: (builtins.head (t.guest [
      ${kw1} { microvm-guest.name = name; }
    ]).microvm.interfaces).id) [
      "twelve-chars" "a-name-that-is-too-long" "a-name-that-is-too-long2"
    ]`);
    expect(found).toEqual(["vm-twelve-chars", expect.any(String), expect.any(String)]);
    const ids = Array.isArray(found) ? found.map(String) : [];
    expect(new Set(ids).size).toBe(3);
    for (const id of ids) expect(id).toMatch(/^vm-.{1,12}$/);
  });

  test.each([
    ["an overlay for /etc", "{ system.etc.overlay.enable = true; }", "cannot also be an overlay"],
    [
      "another host key",
      '{ services.openssh.hostKeys = [ { type = "rsa"; path = "/etc/ssh/rsa"; } ]; }',
      "pins only the host key /etc/ssh/ssh_host_ed25519_key",
    ],
    [
      "an image that microvm-run would create",
      '{ microvm.volumes = [ { image = "x.img"; mountPoint = null; size = 1; } ]; }',
      "a volume has autoCreate = true",
    ],
    [
      "a mounted raw device",
      `{ microvm-guest.volumes = [
        { name = "raw"; image = "/r"; sizeMiB = 1; fsType = "none"; mountPoint = "/r"; }
      ]; }`,
      "volume raw is a raw device (fsType none) and cannot be mounted at /r",
    ],
    [
      "a volume without a label",
      `{ microvm-guest.volumes = [
        { name = "data"; image = "/d"; sizeMiB = 1; mountPoint = "/d"; }
      ]; }`,
      "volume data has a mount point but no label",
    ],
    [
      "9p without QEMU",
      '{ microvm.hypervisor = "cloud-hypervisor"; microvm-guest.storeShare = "9p"; }',
      "cloud-hypervisor does not support 9p",
    ],
    ...["crosvm", "firecracker", "kvmtool", "stratovirt"].map((vmm): [string, string, string] => [
      `a VM of ${vmm}`,
      `{ microvm.hypervisor = "${vmm}"; }`,
      `does not support microvm.hypervisor = "${vmm}"; set it to qemu or cloud-hypervisor`,
    ]),
  ])("refuses %s, with a remedy", (_, module, message) => {
    const failing = evaluate(`t.failing (t.guest [ ${kw1} ${module} ])`);
    expect(failing).toEqual([expect.stringContaining(message)]);
    expect(String(failing)).toMatch(/^VM kw1: .*;.*\.$/);
  });

  // NixOS may evaluate other options before the assertions.
  test("a mounted volume without a label is still a file system", () => {
    const found = evaluate(`(t.guest [ ${kw1} { microvm-guest.volumes = [
      { name = "data"; image = "/d"; sizeMiB = 1; mountPoint = "/d"; }
    ]; } ]).fileSystems."/d".device`);
    expect(found).toBe("/dev/disk/by-label/");
  });

  test("names the module that it requires", () => {
    const failing = evaluate("t.failing (t.evaluate [ t.ours.microvm-guest ])");
    expect(failing).toEqual([expect.stringContaining("import microvm.nixosModules.microvm")]);
  });

  test("can be disabled", () => {
    expect(evaluate("(t.guest [ { microvm-guest.enable = false; } ]).microvm.shares")).toEqual([]);
  });

  test("warns about a VM that nobody can log in to", () => {
    expect(evaluate('(t.guest [ { microvm-guest.name = "kw1"; } ]).warnings')).toEqual([
      expect.stringContaining("ssh.operatorKeys"),
    ]);
  });

  test.each([
    ["keys", '[ "ssh-ed25519 AAAA me" ]'],
    ["keyFiles", '[ "/keys/me.pub" ]'],
  ])("authorizedKeys.%s authorizes a login", (option, value) => {
    const module = `{ users.users.root.openssh.authorizedKeys.${option} = ${value}; }`;
    expect(evaluate(`(t.guest [ ${module} ]).warnings`)).toEqual([]);
  });

  describe("the wait for the address", () => {
    const unit = (modules: string) =>
      evaluate(`(t.guest [ ${modules} ]).systemd.services.pulumi-microvm-address or null`);

    test("delays network-online.target, and so everything that needs the address", () => {
      expect(unit(kw1)).toMatchObject({
        wantedBy: ["network-online.target"],
        before: ["network-online.target"],
        serviceConfig: { Type: "oneshot", RemainAfterExit: true, TimeoutStartSec: 90 },
      });
    });

    test("is absent if your own modules configure the network", () => {
      expect(unit(`${kw1} { microvm-guest.network = t.lib.mkForce null; }`)).toBeNull();
    });

    /** Runs the script with an `ip` that prints nothing at its first call for each object. */
    function waited(modules: string): string[] {
      const directory = mkdtempSync(join(tmpdir(), "pulumi-microvm-address-"));
      try {
        const ip = join(directory, "ip");
        writeFileSync(
          ip,
          `#!/bin/sh\necho "$*" >>'${directory}/calls'\n` +
            `if [ -e "${directory}/$2" ]; then echo here; else touch "${directory}/$2"; fi\n`,
        );
        chmodSync(ip, 0o755);
        const script = z.object({ script: z.string() }).parse(unit(modules)).script;
        const text = script.replaceAll("iproute2/bin/ip", ip);
        execFileSync("/bin/sh", ["-eu", "-c", text], { timeout: 10_000 });
        return readFileSync(join(directory, "calls"), "utf8").trimEnd().split("\n");
      } finally {
        rmSync(directory, { recursive: true, force: true });
      }
    }

    test("lasts until the address and the default route are set", () => {
      const address = "-4 address show to 192.0.2.31";
      const route = "-4 route show default";
      expect(waited(kw1)).toEqual([address, address, route, route]);
      const alone = `${kw1} { microvm-guest.network.gateway = t.lib.mkForce null; }`;
      expect(waited(alone)).toEqual([address, address]);
    });
  });

  test("a read-only share is read-only on the hypervisor", () => {
    const shares = evaluate(`(t.guest [ ${kw1} { microvm-guest.shares = [
      { tag = "data"; source = "/srv/data"; mountPoint = "/data"; readOnly = true; }
    ]; } ]).microvm.shares`);
    expect(shares).toContainEqual({
      tag: "data",
      source: "/srv/data",
      mountPoint: "/data",
      proto: "virtiofs",
      readOnly: true,
    });
  });
});

describe("microvm-bridge", () => {
  test("a bridge with the card and the VMs' ports, which have no addresses of their own", () => {
    const found = evaluate(`let c = t.bridge [ { microvm-bridge = {
      enable = true; physicalNic = "eno1"; mtu = 9000;
      address = "192.0.2.11/24"; gateway = "192.0.2.1";
    }; } ]; in {
      failing = t.failing c;
      inherit (c.systemd.network) netdevs networks;
      stopIfChanged = c.systemd.services.systemd-networkd.stopIfChanged;
    }`);
    const none = { address: [], gateway: [], dns: [] };
    expect(found).toEqual({
      failing: [],
      netdevs: { "10-br0": { netdevConfig: { Name: "br0", Kind: "bridge", MTUBytes: "9000" } } },
      networks: {
        "10-br0": {
          matchConfig: { Name: "br0" },
          networkConfig: { DHCP: "no", ConfigureWithoutCarrier: true, KeepConfiguration: "no" },
          linkConfig: { RequiredForOnline: "no-carrier", MTUBytes: "9000" },
          address: ["192.0.2.11/24"],
          gateway: ["192.0.2.1"],
          dns: [],
        },
        "10-eno1": {
          matchConfig: { Name: "eno1" },
          networkConfig: { Bridge: "br0", KeepConfiguration: "no" },
          linkConfig: { RequiredForOnline: "enslaved", MTUBytes: "9000" },
          ...none,
        },
        "10-microvm-ports": {
          matchConfig: { Name: "vm-*" },
          networkConfig: { Bridge: "br0", KeepConfiguration: "no" },
          linkConfig: { RequiredForOnline: "no", MTUBytes: "9000" },
          ...none,
        },
      },
      stopIfChanged: false,
    });
  });

  describe("NetworkManager", () => {
    const failing = (options: string) =>
      evaluate(`t.failing (t.bridge [ {
        microvm-bridge = { enable = true; physicalNic = "eno1"; };
        networking.networkmanager = { enable = true; ${options} };
      } ])`);

    test("is refused, with the names of the interfaces that it must not manage", () => {
      expect(failing("")).toEqual([
        "microvm-bridge: NetworkManager would reconfigure the bridge and its ports; set " +
          "networking.networkmanager.enable = false, or add " +
          '"interface-name:eno1" "interface-name:br0" "interface-name:vm-*" to ' +
          "networking.networkmanager.unmanaged.",
      ]);
      expect(failing('unmanaged = [ "interface-name:br0" "interface-name:eno1" ];')).toEqual([
        expect.stringContaining('add "interface-name:vm-*" to'),
      ]);
    });

    test("is accepted if it does not manage the bridge and its ports", () => {
      const all = ["eno1", "br0", "vm-*"].map((name) => `"interface-name:${name}"`).join(" ");
      expect(failing(`unmanaged = [ ${all} ];`)).toEqual([]);
    });
  });

  test("does nothing unless it is enabled", () => {
    expect(evaluate("(t.bridge [ ]).systemd.network.netdevs")).toEqual({});
  });

  test("reports all errors together", () => {
    const failing = evaluate(
      `t.failing (t.bridge [ {
        microvm-bridge = { enable = true; gateway = "192.0.2.1"; };
        networking.bridges.br0 = { };
      } ])`,
    );
    expect(failing).toEqual([
      expect.stringContaining("set microvm-bridge.physicalNic"),
      expect.stringContaining("set microvm-bridge.address"),
      expect.stringContaining("networking.bridges also defines br0"),
    ]);
  });
});

/** The store path of a script of provider/scripts behind those that it needs. */
function storePathOf(name: string): string {
  // Without the braces that guard what is sent over a link.
  const text = script(name).slice("{\n".length, -"\n}\n".length);
  return String(evaluate(`builtins.toFile "${name}" site`, JSON.stringify(text)));
}

describe("virtualization", () => {
  test("libvirtd, KVM without nesting, Nix with flakes, the tools of our scripts", () => {
    const found = evaluate(`let c = t.virtualization [ ]; in {
      failing = t.failing c;
      libvirtd = c.virtualisation.libvirtd.enable;
      modprobe = c.boot.extraModprobeConfig;
      nix = c.nix.settings.experimental-features;
      packages = c.environment.systemPackages;
    }`);
    expect(found).toEqual({
      failing: [],
      libvirtd: true,
      modprobe: "options kvm_intel nested=0\noptions kvm_amd nested=0\n",
      nix: ["nix-command", "flakes"],
      packages: ["e2fsprogs", "iproute2", "netcat"],
    });
  });

  test("nested virtualization if it is requested", () => {
    expect(
      evaluate(
        "(t.virtualization [ { microvm-virtualization.nested = true; } ]).boot.extraModprobeConfig",
      ),
    ).toContain("kvm_amd nested=1");
  });

  test("the autostart unit has the directory, names and units of the lab's unit", () => {
    const unit = evaluate("(t.virtualization [ ]).systemd.services.pulumi-microvm-autostart");
    expect(unit).toMatchObject({
      wantedBy: ["multi-user.target"],
      after: ["network-online.target", "libvirtd.service"],
      restartIfChanged: false,
      serviceConfig: { Type: "oneshot", RemainAfterExit: true },
    });
    expect(unit).toHaveProperty(
      "script",
      expect.stringContaining("/var/lib/pulumi-microvm/autostart/*"),
    );
    expect(unit).toHaveProperty(
      "script",
      expect.stringContaining('systemctl start --no-block "microvm@$name.service"'),
    );
  });

  /** The commands of a shell script, without comments and indentation. */
  const linesOf = (text: string): string[] =>
    text
      .split("\n")
      .map((line) => line.trim())
      .filter((line) => line !== "" && !line.startsWith("#"));

  test("the autostart unit runs the same script as the lab's unit", () => {
    const script = evaluate(
      "(t.virtualization [ ]).systemd.services.pulumi-microvm-autostart.script",
    );
    const file = "lab/host/files/usr/local/lib/pulumi-microvm-lab/autostart";
    const lab = readFileSync(join(repository, file), "utf8")
      .replace(/^set -eu$/m, "")
      .replace(/^directory=(.*)$/m, "")
      .replace('"$directory"', "/var/lib/pulumi-microvm/autostart");
    expect(linesOf(String(script))).toEqual(linesOf(lab));
  });

  test("the unit that ends a trial boot depends only on the directory of its state", () => {
    const unit = evaluate("(t.virtualization [ ]).systemd.services.pulumi-microvm-boot-trial");
    expect(unit).toMatchObject({
      wantedBy: ["sysinit.target"],
      restartIfChanged: false,
      unitConfig: {
        DefaultDependencies: false,
        IgnoreOnIsolate: true,
        RequiresMountsFor: "/var/lib/pulumi-microvm",
      },
    });
    const script = storePathOf("boot-trial");
    expect(unit).toHaveProperty("serviceConfig.ExecStart", `/bin/sh ${script}`);
  });

  test("microvm@ runs the provider's scripts after each start and each stop", () => {
    const service = '(t.virtualization [ ]).systemd.services."microvm@".serviceConfig';
    const atStart = storePathOf("memory-at-start");
    expect(evaluate(`${service}.ExecStartPost`)).toEqual([`-+/bin/sh ${atStart} %i`]);
    expect(evaluate(`${service}.ExecStop`)).toEqual([`/bin/sh ${storePathOf("await-stop")}`]);
  });

  test("microvm@ does not start a VM that the provider holds, as in the lab", () => {
    const unit = evaluate('(t.virtualization [ ]).systemd.services."microvm@".unitConfig');
    const condition = "!/var/lib/pulumi-microvm/held/%i";
    expect(unit).toEqual({ ConditionDirectoryNotEmpty: condition });
    const lab = readFileSync(
      join(repository, "lab/host/files/etc/systemd/system/microvm@.service"),
      "utf8",
    );
    const head = lab.slice(lab.indexOf("[Unit]"), lab.indexOf("[Service]"));
    expect(head.split("\n")).toContain(`ConditionDirectoryNotEmpty=${condition}`);
    const documented = readFileSync(join(repository, "docs/host-units.md"), "utf8");
    expect(documented).toContain(`ConditionDirectoryNotEmpty=${condition}`);
  });

  test("a switch of the host does not restart microvm@", () => {
    const service = '(t.virtualization [ ]).systemd.services."microvm@"';
    expect(evaluate(`${service}.restartIfChanged`)).toBe(false);
  });

  test("rejects settings that the provider does not support", () => {
    const failing = evaluate(
      `t.failing (t.virtualization [ {
        microvm.stateDir = "/srv/vms";
        microvm.host = { enable = false; useNotifySockets = true; };
      } ])`,
    );
    expect(failing).toEqual([
      expect.stringContaining("microvm.host.enable = true"),
      expect.stringContaining("leave microvm.stateDir at its default"),
      expect.stringMatching(/^With microvm\.host\.useNotifySockets, .*; set it to false\.$/),
    ]);
    expect(evaluate("t.failing (t.evaluate [ t.ours.virtualization ])")).toEqual([
      expect.stringContaining("import microvm.nixosModules.host"),
    ]);
  });
});

describe("k0s-node", () => {
  const node = (role: string, more = "") =>
    `[ { networking.hostName = "k1"; fileSystems."/var" = { };
         k0s-node = { enable = true; role = "${role}"; address = "192.0.2.21"; version = "1.36";
           clusterName = "production"; }; } ${more} ]`;
  const unit = (role: string, more = "") =>
    z
      .looseObject({ serviceConfig: z.record(z.string(), z.unknown()) })
      .parse(evaluate(`(t.k0sNode ${node(role, more)}).systemd.services.k0s`));

  test("a controller uses only Cilium, and has a reachable etcd and a persistent token", () => {
    const found = evaluate(`let c = t.k0sNode ${node("controller")}; in {
      failing = t.failing c;
      package = c.services.k0s.package.version;
      k0s = { inherit (c.services.k0s) enable role tokenFile clusterName; };
      api = { inherit (c.services.k0s.spec.api) address externalAddress sans; };
      network = { inherit (c.services.k0s.spec.network) provider podCIDR serviceCIDR; };
      proxy = c.services.k0s.spec.network.kubeProxy.disabled;
      balancing = c.services.k0s.spec.network.nodeLocalLoadBalancing.enabled;
      etcd = c.services.k0s.spec.storage.etcd.peerAddress;
      firewall = { inherit (c.networking.firewall) enable checkReversePath; };
      networkd = c.systemd.network.config.networkConfig;
      modules = c.boot.kernelModules;
    }`);
    expect(found).toEqual({
      failing: [],
      package: "1.36.3+k0s.2",
      k0s: {
        enable: true,
        role: "controller",
        tokenFile: "/etc/k0s/k0stoken",
        clusterName: "production",
      },
      api: { address: "192.0.2.21", externalAddress: "", sans: ["192.0.2.21"] },
      network: { provider: "custom", podCIDR: "10.244.0.0/16", serviceCIDR: "10.96.0.0/12" },
      proxy: true,
      balancing: true,
      etcd: "192.0.2.21",
      firewall: { enable: false, checkReversePath: false },
      networkd: { ManageForeignRoutes: false, ManageForeignRoutingPolicyRules: false },
      modules: [],
    });
  });

  /** The fields of spec.api for these options. */
  const api = (more: string) =>
    evaluate(`let a = (t.k0sNode ${node("controller", `{ k0s-node = { ${more} }; }`)})
      .services.k0s.spec.api;
      in { inherit (a) externalAddress sans; }`);

  test("the endpoint is a SAN, and k0s's load balancer only without the one on each node", () => {
    const endpoint = 'endpoint = "192.0.2.20"; apiNames = [ "k8s.example.org" "192.0.2.20" ];';
    const sans = ["192.0.2.21", "192.0.2.20", "k8s.example.org"];
    expect(api(endpoint)).toEqual({ externalAddress: "", sans });
    const without = `${endpoint} nodeLocalLoadBalancing = false;`;
    expect(api(without)).toEqual({ externalAddress: "192.0.2.20", sans });
    expect(api('endpoint = "192.0.2.21"; nodeLocalLoadBalancing = false;')).toEqual({
      externalAddress: "",
      sans: ["192.0.2.21"],
    });
  });

  const ARGUMENTS = "--data-dir=/var/lib/k0s";
  const CONTROLLER = "--config=/etc/k0s/k0s.yaml --disable-components=autopilot,update-prober";
  test.each([
    ["worker", `worker ${ARGUMENTS}`],
    ["controller", `controller ${ARGUMENTS} ${CONTROLLER}`],
    ["controller+worker", `controller ${ARGUMENTS} ${CONTROLLER} --enable-worker --no-taints`],
  ])("one unit for every %s: the condition chooses whether it has a token", (role, command) => {
    const { serviceConfig, ...rest } = unit(role);
    const condition = storePathOf("k0s-condition");
    const kind = role === "worker" ? "worker" : "controller";
    expect(serviceConfig).toMatchObject({
      ExecCondition: `/bin/sh ${condition} /var/lib/k0s ${kind} /etc/k0s/k0stoken production`,
      EnvironmentFile: "-/run/pulumi-microvm/k0s.env",
      RestartSec: 10,
      Restart: "always",
    });
    const [program = "", ...words] = String(serviceConfig["ExecStart"]).split(" ");
    expect(program).toMatch(/^\/nix\/store\/[^ ]*k0s-1\.36\.3[^ ]*\/bin\/k0s$/);
    expect(words.join(" ")).toBe(`${command} $K0S_TOKEN_ARGUMENT`);
    expect(rest).toMatchObject({
      unitConfig: { ConditionPathExists: [], RequiresMountsFor: "/var/lib/k0s" },
    });
    expect(rest["wants"]).toContain("network-online.target");
    expect(rest["after"]).toContain("network-online.target");
    expect(rest["path"]).toContain("gzip");
  });

  test("the users' own arguments come last", () => {
    const { serviceConfig } = unit("worker", '{ services.k0s.extraArgs = "--debug"; }');
    expect(serviceConfig["ExecStart"]).toMatch(/ \$K0S_TOKEN_ARGUMENT --debug$/);
  });

  test("a controller restarts k0s with its configuration, a worker does not", () => {
    const triggers = (role: string, more = "") => unit(role, more)["restartTriggers"];
    const more = '{ k0s-node.apiNames = [ "k8s.example.org" ]; }';
    expect(triggers("controller")).toHaveLength(1);
    expect(triggers("controller", more)).not.toEqual(triggers("controller"));
    expect(triggers("worker")).toEqual([]);
  });

  test("a version that the overlay lacks is named, with the remedy", () => {
    const newer = '{ k0s-node.version = t.lib.mkForce "1.99"; }';
    const said = complaint(`(t.k0sNode ${node("worker", newer)}).services.k0s.package`);
    expect(said).toContain(
      "k1: there is no package k0s_1_99; use the overlay of a k0s-nix that has",
    );
  });

  test.each(["worker", "controller+worker"])("a %s can mount Ceph's volumes", (role) => {
    expect(evaluate(`(t.k0sNode ${node(role)}).boot.kernelModules`)).toEqual([
      "rbd",
      "ceph",
      "nbd",
    ]);
  });

  test("a worker forwards packets, and filters none of the pods' by their path", () => {
    expect(evaluate(`(t.k0sNode ${node("worker")}).boot.kernel.sysctl`)).toEqual({
      "net.ipv4.ip_forward": 1,
      "net.ipv4.conf.all.rp_filter": 0,
      "net.ipv4.conf.default.rp_filter": 0,
      "net.ipv4.conf.lxc*.rp_filter": 0,
      "net.ipv4.conf.cilium_*.rp_filter": 0,
    });
    expect(evaluate(`(t.k0sNode ${node("controller")}).boot.kernel.sysctl`)).toEqual({});
  });

  test.each([
    ["controller", [2380, 6443, 8132, 9443], []],
    ["worker", [4240, 10250], [8472]],
    ["controller+worker", [2380, 4240, 6443, 8132, 9443, 10250], [8472]],
  ])("the firewall of a %s, where it is enabled, lets the cluster in", (role, tcp, udp) => {
    const found =
      evaluate(`let f = (t.k0sNode ${node(role, "{ networking.firewall.enable = true; }")})
        .networking.firewall;
      in {
        tcp = builtins.sort (a: b: a < b) f.allowedTCPPorts;
        udp = f.allowedUDPPorts;
        inherit (f) enable;
      }`);
    expect(found).toEqual({ enable: true, tcp, udp });
  });

  test("rejects data and a token that a reboot would lose, and a k0s-nix without the unit", () => {
    const more = `{ k0s-node.tokenFile = "/run/token"; systemd.services.k0scontroller = { };
      fileSystems = t.lib.mkForce { "/" = { }; "/va" = { }; }; }`;
    const failing = evaluate(`t.failing (t.k0sNode ${node("controller", more)})`);
    expect(failing).toEqual([
      expect.stringContaining("k1: this k0s-nix has no unit k0s; update the flake input k0s-nix"),
      expect.stringContaining("k1: /var/lib/k0s would be lost"),
      expect.stringContaining("k1: k0s-node.tokenFile is below /run"),
    ]);
  });
});
