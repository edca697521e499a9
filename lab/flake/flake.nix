# The lab's answer to the project's `mkSite`: the same output, `pulumiMicrovm`, from the same input,
# site.json, but with small derivations made by /bin/bash in place of NixOS systems, so that no
# nixpkgs and no network are needed. The runners' layout is microvm.nix's; what they start is a
# systemd-nspawn machine (scripts/microvm-run.sh), or QEMU where the VM's name begins with `kq`.
{
  inputs.site = {
    url = "path:./default-site";
    flake = false;
  };

  outputs =
    { self, site }:
    let
      siteData = builtins.fromJSON (builtins.readFile "${site}/site.json");

      # x86_64 only: pure evaluation does not know the machine it runs on.
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

      # What a system runs besides, with versions; and by name the machines whose switch is to go wrong, with
      # what it does in its activation. Tests write both into a copy of this flake.
      packages = builtins.fromJSON (builtins.readFile ./packages.json);
      faults = builtins.fromJSON (builtins.readFile ./faults.json);

      isQemu = machine: builtins.substring 0 2 machine.name == "kq";
      bridgeOf = machine: (siteData.hypervisors.${machine.hypervisor} or { }).bridge or "br0";
      lines = builtins.concatStringsSep "\n";

      # What the VMM gets: a change of any of it takes a restart.
      hardwareOf = machine: {
        inherit (machine) name vcpu memoryMiB;
        inherit (machine.network) mac;
        vsockCid = machine.vsockCid or null;
        bridge = bridgeOf machine;
        volumes = map (volume: { inherit (volume) image fsType; }) machine.volumes;
        inherit (machine) shares;
      };

      # What the system in the guest gets: its slice of the site without what only the VMM sees, and
      # without the profile: that is a name, by which a real site picks its modules.
      systemOf =
        machine:
        builtins.removeAttrs machine [
          "vcpu"
          "memoryMiB"
          "vsockCid"
          "shares"
          "hypervisor"
          "profile"
        ]
        // {
          volumes = map (volume: builtins.removeAttrs volume [ "image" "sizeMiB" ]) machine.volumes;
        };

      toplevelOf =
        machine:
        build {
          name = "lab-system-${machine.hostName}";
          args = [ ./scripts/build-toplevel.sh ];
          scripts = ./scripts;
          # One for guests and hypervisors alike.
          switch = ./hypervisor/switch-to-configuration.sh;
          etc = ./etc;
          init = if isQemu machine then "qemu/init.sh" else "init.sh";
          inherit (machine) hostName;
          inherit (machine.network) mac;
          address = "${machine.network.ip}/${toString machine.network.prefixLength}";
          gateway = machine.network.gateway or "";
          nameservers = lines (machine.network.nameservers or [ ]);
          operatorKeys = lines (machine.operatorKeys or [ ]);
          # One line for each volume in the order of the guest's disks: label, file system, mount point.
          volumes = lines (
            map (volume: "${volume.label}\t${volume.fsType}\t${volume.mountPoint or "-"}") machine.volumes
          );
          machine = builtins.toJSON (systemOf machine);
          packages = lines (builtins.attrValues (builtins.mapAttrs (name: version: "${name} ${version}") packages));
          fault = faults.${machine.name} or "";
        };

      runnerOf =
        machine: toplevel:
        build {
          name = "microvm-${if isQemu machine then "qemu" else "nspawn"}-${machine.name}";
          args = [ (if isQemu machine then ./scripts/qemu/build-runner.sh else ./scripts/build-runner.sh) ];
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
              share: "${share.source}\t${share.mountPoint}\t${if share.readOnly then "ro" else "rw"}"
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

      # A hypervisor's system: what it starts and its kernel are store paths of their own, so that a system
      # with the same ones has the same unit and the same kernel.
      hypervisorOf =
        hypervisor:
        build {
          name = "lab-hypervisor-${hypervisor.name}";
          args = [ ./hypervisor/build.sh ];
          files = ./hypervisor;
          start = ./hypervisor/start.sh;
          kernel = ./hypervisor/kernel;
        };

      # As in `nix build --json`. Only the names travel: who evaluates wants nothing built for it. A
      # set with `outPath` is not to be had in JSON: Nix prints just that path for it.
      pathsOf = drv: {
        drvPath = builtins.unsafeDiscardStringContext drv.drvPath;
        outputs.out = builtins.unsafeDiscardStringContext drv.outPath;
      };

      # An error names the machine.
      inContextOf =
        machine: value:
        builtins.addErrorContext "while evaluating machine ${machine.name} of the site" (
          builtins.deepSeq value value
        );

      deploymentOf =
        machine:
        let
          toplevel = toplevelOf machine;
        in
        inContextOf machine (
          pathsOf (runnerOf machine toplevel)
          // {
            toplevel = pathsOf toplevel;
            closureInfo = pathsOf (closureInfoOf machine toplevel);
            hardware = builtins.hashString "sha256" (builtins.toJSON (hardwareOf machine));
            # A QEMU guest of the lab has neither Nix nor a system to switch.
            liveSwitch = !(isQemu machine);
            inherit packages;
          }
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
