# A hypervisor as pulumi-microvm expects it: KVM, libvirtd, microvm.nix's units, the tools that the provider's
# scripts use, and a unit that starts the VMs which were running.
#
# Needs `microvm.nixosModules.host` of microvm.nix beside it.
{
  config,
  lib,
  options,
  pkgs,
  ...
}:
let
  inherit (lib)
    mkAfter
    mkEnableOption
    mkIf
    mkMerge
    optionalAttrs
    ;
  cfg = config.microvm-virtualization;
  hasHost = options ? microvm && options.microvm ? host;
  records = "/var/lib/pulumi-microvm/autostart";
  # The provider's own scripts, as docs/host-units.md has it.
  scriptOf = import ../lib/scripts.nix { inherit lib; };
  memoryAtStart = scriptOf "memory-at-start";
  awaitStop = scriptOf "await-stop";
  bootTrial = scriptOf "boot-trial";
in
{
  options.microvm-virtualization = {
    enable = mkEnableOption "what a hypervisor of pulumi-microvm needs" // {
      default = true;
    };

    nested = mkEnableOption "virtualization inside VMs; a change takes effect when the host boots";
  };

  config = mkIf cfg.enable (mkMerge [
    {
      assertions = [
        {
          assertion = hasHost;
          message = "The module virtualization needs microvm.nix; import microvm.nixosModules.host beside it.";
        }
      ];

      virtualisation.libvirtd.enable = true;

      # The kernel's own default is on. KVM's modules load by themselves where the processor has them.
      boot.extraModprobeConfig =
        let
          nested = if cfg.nested then "1" else "0";
        in
        ''
          options kvm_intel nested=${nested}
          options kvm_amd nested=${nested}
        '';

      # The provider copies closures and asks for flakes.
      nix.settings.experimental-features = [
        "nix-command"
        "flakes"
      ];

      # Volumes are made and grown here, also where the host itself has no ext4.
      environment.systemPackages = [
        pkgs.e2fsprogs
        pkgs.iproute2
        # QEMU's monitor; NixOS has it by itself too.
        pkgs.netcat
      ];

      systemd.tmpfiles.rules = [
        "d /var/lib/pulumi-microvm 0755 root root -"
        "d ${records} 0755 root root -"
      ];

      # One boot of this system on trial (rebootPolicy: ifRequired) ends by itself if nobody confirms it, also where little more
      # than the root file system has come up.
      systemd.services.pulumi-microvm-boot-trial = {
        description = "Go back to the system before, unless this boot is confirmed";
        wantedBy = [ "sysinit.target" ];
        unitConfig = {
          DefaultDependencies = false;
          IgnoreOnIsolate = true;
          RequiresMountsFor = "/var/lib/pulumi-microvm";
        };
        restartIfChanged = false;
        serviceConfig = {
          ExecStart = "/bin/sh ${bootTrial}";
          SyslogIdentifier = "pulumi-microvm";
        };
      };

      # Imperative VMs are not in microvm.autostart: the provider leaves a file for each that is to run.
      systemd.services.pulumi-microvm-autostart = {
        description = "Start the MicroVMs recorded as running";
        wants = [ "network-online.target" ];
        after = [
          "network-online.target"
          "libvirtd.service"
        ];
        wantedBy = [ "multi-user.target" ];
        # A switch of the host neither starts nor stops a VM.
        restartIfChanged = false;
        serviceConfig = {
          Type = "oneshot";
          RemainAfterExit = true;
        };
        script = ''
          for file in ${records}/*; do
            [ -f "$file" ] || continue
            name=''${file##*/}
            case $name in
              [!a-z]* | *[!a-z0-9-]*) echo "ignored, not a VM name: $name" >&2 ;;
              # Waits for none: one VM that hangs must not hold up the others.
              *) systemctl start --no-block "microvm@$name.service" ;;
            esac
          done
        '';
      };
    }

    (optionalAttrs hasHost {
      assertions = [
        {
          assertion = config.microvm.host.enable;
          message = "The module virtualization needs the units of microvm.nix; set microvm.host.enable = true.";
        }
        {
          assertion = toString config.microvm.stateDir == "/var/lib/microvms";
          message = "pulumi-microvm works in /var/lib/microvms; leave microvm.stateDir at its default.";
        }
      ];

      systemd.services."microvm@" = {
        # What is added here changes with our scripts, and a switch of the host restarts no VM.
        restartIfChanged = false;
        serviceConfig = {
          # A target that can't be applied must not end the VM; as root, since the unit's user owns no records.
          ExecStartPost = [ "-+/bin/sh ${memoryAtStart} %i" ];
          # Behind microvm-shutdown, which for QEMU may return before the guest is down.
          ExecStop = mkAfter [ "/bin/sh ${awaitStop}" ];
        };
      };
    })
  ]);
}
