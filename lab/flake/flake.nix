# The lab's replacement of the project's `mkSite`: the same input, site.json, and the same output,
# `pulumiMicrovm`. It builds small derivations with /bin/bash instead of NixOS systems, so it needs
# neither nixpkgs nor a network. The runners have microvm.nix's layout. They start a systemd-nspawn
# machine (scripts/microvm-run.sh), or QEMU if the name of the VM starts with `kq`.
{
  inputs.site = {
    url = "path:./default-site";
    flake = false;
  };

  outputs =
    { self, site }:
    let
      siteData = builtins.fromJSON (builtins.readFile "${site}/site.json");

      # Only x86_64: a pure evaluation does not know the system of the machine.
      build =
        attributes:
        derivation (
          {
            system = "x86_64-linux";
            builder = "/bin/bash";
            PATH = "/usr/bin:/bin";
          }
          // attributes
        );

      # Packages of every system, with versions; and shell commands that run in the activation of a
      # machine, to make its switch fail. Tests write both files in a copy of this flake.
      packages = builtins.fromJSON (builtins.readFile ./packages.json);
      faults = builtins.fromJSON (builtins.readFile ./faults.json);

      isQemu = machine: builtins.substring 0 2 machine.name == "kq";
      bridgeOf = machine: (siteData.hypervisors.${machine.hypervisor} or { }).bridge or "br0";
      lines = builtins.concatStringsSep "\n";

      # The input of the VMM. A change of it requires a restart.
      hardwareOf = machine: {
        inherit (machine) name vcpu memoryMiB;
        inherit (machine.network) mac;
        vsockCid = machine.vsockCid or null;
        volumes = map (volume: { inherit (volume) image fsType; }) machine.volumes;
        shares = map (share: builtins.removeAttrs share [ "mountPoint" ]) machine.shares;
      };

      # The input of the guest's system: its part of the site without what only the VMM uses. The
      # profile is left out too: a real site only selects modules by its name.
      systemOf =
        machine:
        builtins.removeAttrs machine [
          "vcpu"
          "memoryMiB"
          "vsockCid"
          "hypervisor"
          "profile"
        ]
        // {
          volumes = map (volume: builtins.removeAttrs volume [ "image" "sizeMiB" ]) machine.volumes;
          shares = map (share: builtins.removeAttrs share [ "source" ]) machine.shares;
        };

      k0sOf =
        machine: if machine ? cluster then import ./k0s.nix { inherit build machine; } else null;

      toplevelOf =
        machine: k0s:
        build ({
          name = "lab-system-${machine.hostName}";
          args = [ ./scripts/build-toplevel.sh ];
          scripts = ./scripts;
          # Guests and hypervisors use the same script.
          switch = ./hypervisor/switch-to-configuration.sh;
          etc = ./etc;
          init = if isQemu machine then "qemu/init.sh" else "init.sh";
          inherit (machine) hostName;
          inherit (machine.network) mac;
          address = "${machine.network.ip}/${toString machine.network.prefixLength}";
          gateway = machine.network.gateway or "";
          nameservers = lines (machine.network.nameservers or [ ]);
          operatorKeys = lines (machine.operatorKeys or [ ]);
          # One line per volume, in the order of the disks: label, file system, mount point.
          volumes = lines (
            map (
              { label, fsType, ... }@volume: "${label}\t${fsType}\t${volume.mountPoint or "-"}"
            ) machine.volumes
          );
          shares = lines (map (share: "${share.tag}\t${share.mountPoint}") machine.shares);
          machine = builtins.toJSON (systemOf machine);
          packages = lines (
            builtins.attrValues (builtins.mapAttrs (name: version: "${name} ${version}") packages)
          );
          fault = faults.${machine.name} or "";
        }
        // (
          if k0s == null then
            { }
          else
            {
              k0sPackage = k0s.package;
              k0sUnit = k0s.unit;
              k0sConfiguration = k0s.configuration;
            }
        ));

      runnerOf =
        machine: toplevel:
        build {
          name = "microvm-${if isQemu machine then "qemu" else "nspawn"}-${machine.name}";
          args = [
            (if isQemu machine then ./scripts/qemu/build-runner.sh else ./scripts/build-runner.sh)
          ];
          scripts = ./scripts;
          inherit toplevel;
          machineName = machine.name;
          vcpu = toString machine.vcpu;
          memoryMiB = toString machine.memoryMiB;
          inherit (machine.network) mac;
          bridge = bridgeOf machine;
          volumes = lines (map (volume: volume.image) machine.volumes);
          shares = lines (
            map (
              { source, tag, readOnly, ... }:
              "${source}\t${tag}\t${if readOnly then "ro" else "rw"}"
            ) machine.shares
          );
          hardware = builtins.toJSON (hardwareOf machine);
        };

      closureInfoOf =
        machine: toplevel:
        build {
          name = "closure-info-${machine.name}";
          args = [ ./scripts/build-closure-info.sh ];
          __structuredAttrs = true;
          exportReferencesGraph.closure = [ toplevel ];
        };

      # A hypervisor's system. Its start script and its kernel are separate store paths, so that
      # systems with equal content have equal units and kernels.
      hypervisorOf =
        hypervisor:
        build {
          name = "lab-hypervisor-${hypervisor.name}";
          args = [ ./hypervisor/build.sh ];
          files = ./hypervisor;
          start = ./hypervisor/start.sh;
          kernel = ./hypervisor/kernel;
        };

      # As in `nix build --json`. Without string context an evaluation builds nothing. `outPath`
      # must not be an attribute, because Nix converts a set with it to a plain string in JSON.
      pathsOf = drv: {
        drvPath = builtins.unsafeDiscardStringContext drv.drvPath;
        outputs.out = builtins.unsafeDiscardStringContext drv.outPath;
      };

      # Adds the name of the machine to an evaluation error.
      inContextOf =
        machine: value:
        builtins.addErrorContext "while evaluating machine ${machine.name} of the site" (
          builtins.deepSeq value value
        );

      deploymentOf =
        machine:
        let
          k0s = k0sOf machine;
          toplevel = toplevelOf machine k0s;
        in
        inContextOf machine (
          pathsOf (runnerOf machine toplevel)
          // {
            toplevel = pathsOf toplevel;
            closureInfo = pathsOf (closureInfoOf machine toplevel);
            hardware = builtins.hashString "sha256" (builtins.toJSON (hardwareOf machine));
            # A QEMU guest of the lab has no Nix and cannot switch its system.
            liveSwitch = !(isQemu machine);
            inherit packages;
          }
          // (if k0s == null then { } else { k0s = k0s.facts; })
        );
    in
    {
      pulumiMicrovm = {
        version = 1;
        machines = builtins.mapAttrs (_: deploymentOf) siteData.machines;
        hypervisors = builtins.mapAttrs (
          _: hypervisor:
          pathsOf (hypervisorOf hypervisor)
          // {
            inherit packages;
            bootHash = builtins.hashFile "sha256" ./hypervisor/kernel;
          }
        ) (siteData.hypervisors or { });
      };
    };
}
