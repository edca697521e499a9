# A hypervisor as pulumi-microvm expects it: KVM, libvirtd, the units of microvm.nix, the tools that
# the provider's scripts use, and a unit that starts the recorded VMs at boot.
#
# Requires `microvm.nixosModules.host` of microvm.nix.
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
  # The provider's own scripts; docs/host-units.md describes them.
  scriptOf = import ../lib/scripts.nix { inherit lib; };
  memoryAtStart = scriptOf "memory-at-start";
  awaitStop = scriptOf "await-stop";
  bootTrial = scriptOf "boot-trial";
in
{
  options.microvm-virtualization = {
    enable = mkEnableOption "what pulumi-microvm requires of a hypervisor" // {
      default = true;
    };

    nested = mkEnableOption "virtualization inside VMs; a change takes effect at the next boot";
  };

  config = mkIf cfg.enable (mkMerge [
    {
      assertions = [
        {
          assertion = hasHost;
          message =
            "The module virtualization requires microvm.nix; import microvm.nixosModules.host.";
        }
      ];

      virtualisation.libvirtd.enable = true;

      # The kernel enables nesting by default. The modules are loaded automatically where the
      # processor supports them.
      boot.extraModprobeConfig =
        let
          nested = if cfg.nested then "1" else "0";
        in
        ''
          options kvm_intel nested=${nested}
          options kvm_amd nested=${nested}
        '';

      # The provider copies closures and evaluates flakes.
      nix.settings.experimental-features = [
        "nix-command"
        "flakes"
      ];

      # e2fsprogs creates and grows volumes, also on a host that has no ext4 file system itself.
      environment.systemPackages = [
        pkgs.e2fsprogs
        pkgs.iproute2
        # For QEMU's monitor. NixOS installs it by default; this module does not rely on that.
        pkgs.netcat
      ];

      systemd.tmpfiles.rules = [
        "d /var/lib/pulumi-microvm 0755 root root -"
        "d ${records} 0755 root root -"
      ];

      # Ends a trial boot (rebootPolicy: ifRequired) that nobody confirms. It starts early and
      # depends on little, so that it also works when most of the boot fails.
      systemd.services.pulumi-microvm-boot-trial = {
        description = "Roll back to the previous system unless this boot is confirmed";
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

      # microvm.autostart only covers declarative VMs. The provider records each VM to start as a
      # file.
      systemd.services.pulumi-microvm-autostart = {
        description = "Start the MicroVMs recorded as running";
        wants = [ "network-online.target" ];
        after = [
          "network-online.target"
          "libvirtd.service"
        ];
        wantedBy = [ "multi-user.target" ];
        # A switch of the host must not start or stop VMs.
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
              # Does not wait: one VM that hangs must not delay the others.
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
          message =
            "The module virtualization requires the units of microvm.nix; set microvm.host.enable "
            + "= true.";
        }
        {
          assertion = toString config.microvm.stateDir == "/var/lib/microvms";
          message =
            "pulumi-microvm requires /var/lib/microvms; leave microvm.stateDir at its default.";
        }
        {
          # Older revisions of microvm.nix have no such option.
          assertion = !(config.microvm.host.useNotifySockets or false);
          message =
            "With microvm.host.useNotifySockets, systemd stops each VM that does not report its "
            + "start over vsock, which pulumi-microvm does not require of VMs; set it to false.";
        }
      ];

      systemd.services."microvm@" = {
        # These additions change with our scripts. A switch of the host must not restart VMs.
        restartIfChanged = false;
        # The provider holds a VM while it works on its images offline.
        unitConfig.ConditionDirectoryNotEmpty = "!/var/lib/pulumi-microvm/held/%i";
        serviceConfig = {
          # A failure to set the memory target must not stop the VM (`-`). Only root may write the
          # record of it (`+`).
          ExecStartPost = [ "-+/bin/sh ${memoryAtStart} %i" ];
          # Runs after microvm-shutdown, which for QEMU may return before the guest has shut down.
          ExecStop = mkAfter [ "/bin/sh ${awaitStop}" ];
        };
      };
    })
  ]);
}
