/** The module virtualization: the units and programs of a hypervisor. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { evaluate, repository } from "../nix";
import { storePathOf } from "./storePath";

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
