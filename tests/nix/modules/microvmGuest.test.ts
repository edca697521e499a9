/** The module microvm-guest: the system of a VM. options.nix declares the options that it uses. */
import { execFileSync } from "node:child_process";
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { z } from "zod";
import { evaluate } from "../nix";

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
