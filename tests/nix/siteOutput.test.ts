/**
 * The output `pulumiMicrovm` of mkSite, as the program reads it. nixpkgs, microvm.nix and k0s-nix
 * are stand-ins (evaluate.nix).
 */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseEvaluation } from "../../components/evaluation/evaluate";
import { complaint, edited, evaluate, stackJson } from "./nix";

describe("pulumiMicrovm", () => {
  let directory: string;
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), "pulumi-microvm-site-"));
  });
  afterEach(() => rmSync(directory, { recursive: true, force: true }));

  function output(site: string, modules = ""): string {
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

  test("is parsed by the program, for every machine", () => {
    const machines = machinesOf(site);
    expect(Object.keys(machines)).toEqual(["gpu1", "kc1", "kc2", "kc3", "kw1", "kw2", "kw3"]);
    expect(machines["kw1"]?.runner.outPath).toMatch(/^\/nix\/store\/.*-microvm-qemu-kw1-/);
    expect(machines["kw1"]?.toplevel.drvPath).toMatch(/nixos-system-kw1-.*\.drv$/);
    expect(machines["kw1"]?.hardware).toMatch(/^[0-9a-f]{64}$/);
  });

  test("contains the warnings of each machine", () => {
    const machines = machinesOf(site, 'machines.kw1.warnings = [ "an old option" ];');
    expect(machines["kw1"]?.warnings).toEqual(["an old option"]);
    expect(machines["kw2"]?.warnings).toEqual([]);
    const warned = 'hypervisors.rack1-hv2.warnings = [ "an old unit" ];';
    expect(
      evaluate(`${output(site, warned)}.pulumiMicrovm.hypervisors.rack1-hv2.warnings`),
    ).toEqual(["an old unit"]);
  });

  test("contains hypervisors and package versions", () => {
    const found = evaluate(
      `let o = ${output(site, "hypervisors.rack1-hv2 = { };")}.pulumiMicrovm; in {
        hypervisors = builtins.mapAttrs (_: builtins.attrNames) o.hypervisors;
        host = o.hypervisors.rack1-hv2.packages;
        guest = o.machines.kw1.packages;
      }`,
    );
    const common = { hello: "2.10, 2.12", linux: "6.12.1", systemd: "258" };
    expect(found).toEqual({
      hypervisors: { "rack1-hv2": ["bootHash", "drvPath", "outputs", "packages", "warnings"] },
      host: common,
      guest: { ...common, k0s: "1.36.3+k0s.2", qemu: "10.1" },
    });
  });

  test("`bootHash` changes if a reboot is required, and not with the system alone", () => {
    const found = evaluate(
      `let
        host = module:
          (${output(site, "hypervisors.rack1-hv2.imports = [ module ];")})
            .pulumiMicrovm.hypervisors.rack1-hv2;
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

  test("`k0s` has the version of each member, and changes with what restarts k0s", () => {
    const was = machinesOf(site);
    const hash: unknown = expect.stringMatching(/^[0-9a-f]{64}$/);
    const facts = { version: "1.36.3+k0s.2", unit: hash, configuration: hash };
    expect(was["kc1"]?.k0s).toEqual(facts);
    expect(was["kw1"]?.k0s).toEqual(facts);
    expect(was["gpu1"]?.k0s).toBeUndefined();

    const after = (edit: (text: string) => string) =>
      machinesOf(edited("example-production", edit));
    const keys = after((text) => text.replace(/^ {4}- ssh-ed25519 .* bob$/m, ""));
    expect(keys["kc1"]?.toplevel).not.toEqual(was["kc1"]?.toplevel);
    expect(keys["kc1"]?.k0s).toEqual(was["kc1"]?.k0s);

    const sans = after((text) => text.replace("k8s.example.org", "k8s.example.net"));
    expect(sans["kc1"]?.k0s?.configuration).not.toBe(was["kc1"]?.k0s?.configuration);
    expect(sans["kc1"]?.k0s?.unit).not.toBe(was["kc1"]?.k0s?.unit);
    expect(sans["kw1"]).toEqual(was["kw1"]);
  });

  test("a role without a cluster is an error that names the machine", () => {
    const old = site.replaceAll(/ {6}"cluster": \{[^}]*\},\n/g, "");
    expect(old).not.toBe(site);
    expect(complaint(`${output(old)}.pulumiMicrovm`)).toContain(
      "machine kw1 has the role worker, but site.json has no cluster for it; state cluster",
    );
  });

  test("`liveSwitch` is true if microvm.nix's deploy.rebuild would switch the guest", () => {
    const found = evaluate(
      `let live = module:
        (${output(site, "machines.kw1.imports = [ module ];")})
          .pulumiMicrovm.machines.kw1.liveSwitch; in
      map live [
        { }
        { system.switch.enable = false; }
        { nix.enable = false; }
        { services.openssh.enable = t.lib.mkForce false; }
        { microvm.shares = t.lib.mkForce [
            { tag = "data"; source = "/srv/data"; mountPoint = "/data"; }
          ]; }
      ]`,
    );
    expect(found).toEqual([true, false, false, false, false]);
  });

  test("`hardware` changes with the inputs of the VMM, and not with the system", () => {
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
    ["an unknown option", "machine kw2", "machines.kw2.services.nosuch.enable = true;"],
    ["a syntax error", "machine kw2", 'machines.kw2 = "DIRECTORY/broken.nix";'],
    ["a missing file", "machine kw2", 'machines.kw2 = "DIRECTORY/missing.nix";'],
    [
      "an endless recursion",
      "machine kw2",
      "machines.kw2 = ({ config, ... }: { networking.hostName = config.networking.hostName; });",
    ],
    [
      "an unknown option of a hypervisor",
      "hypervisor rack1-hv2",
      "hypervisors.rack1-hv2.services.nosuch.enable = true;",
    ],
  ])("an error names the machine: %s", (_, where, modules) => {
    writeFileSync(join(directory, "broken.nix"), "{ networking = ; }");
    const given = modules.replaceAll("DIRECTORY", directory);
    expect(complaint(`${output(site, given)}.pulumiMicrovm`)).toContain(
      `while evaluating ${where} of the site`,
    );
  });

  test("nixosConfigurations contains the same systems under the names of the site", () => {
    const modules = "hypervisors.rack1-hv1 = { };";
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
