# A VM of microvm.nix as pulumi-microvm runs it: no boot loader, a balloon, a persistent /etc on the
# hypervisor, the hypervisor's store, volumes that the provider creates, a static address, and one
# SSH host key.
#
# Requires `microvm.nixosModules.microvm` of microvm.nix. `lib.mkSite` sets the options from the
# site.
{
  config,
  lib,
  options,
  pkgs,
  ...
}:
let
  inherit (lib)
    concatStringsSep
    mkDefault
    mkEnableOption
    mkIf
    mkMerge
    mkOption
    mkOverride
    optional
    optionalAttrs
    optionalString
    optionals
    types
    ;
  cfg = config.microvm-guest;
  hasMicrovm = options ? microvm && options.microvm ? guest;

  # A hardware-configuration.nix sets some options with mkDefault (priority 1000). These defaults
  # yield to it, but override the defaults of NixOS (priority 1500).
  mkWeakDefault = mkOverride 1250;

  # The provider reads the state of these VMMs from their control sockets and stops them gracefully.
  supportedVmms = [
    "qemu"
    "cloud-hypervisor"
  ];

  # The provider creates this directory on the hypervisor before the first boot.
  stateDirectory = "/var/lib/microvms/${cfg.name}";
  hostKey = {
    type = "ed25519";
    path = "/etc/ssh/ssh_host_ed25519_key";
  };

  # An interface name has at most 15 characters. The hash keeps long VM names distinct.
  tap =
    let
      plain = "vm-${cfg.name}";
    in
    if builtins.stringLength plain <= 15 then
      plain
    else
      "vm-${builtins.substring 0 12 (builtins.hashString "sha256" cfg.name)}";

  mounted = builtins.filter (volume: volume.mountPoint != null) cfg.volumes;

  volume = types.submodule {
    options = {
      name = mkOption {
        type = types.str;
        description = "The name of the volume in the site. It is the serial number of the disk.";
        example = "var";
      };
      image = mkOption {
        type = types.strMatching "/.*";
        description = "The image on the hypervisor. pulumi-microvm creates, labels and grows it.";
        example = "/var/lib/microvms/kw1/var.img";
      };
      sizeMiB = mkOption {
        type = types.ints.positive;
        description = "The size in MiB. It is informational: the system does not depend on it.";
        example = 20480;
      };
      fsType = mkOption {
        type = types.enum [
          "ext4"
          "none"
        ];
        default = "ext4";
        description = "The file system. `none` is a raw device, for example for a Ceph OSD.";
        example = "none";
      };
      label = mkOption {
        type = types.nullOr types.str;
        default = null;
        description = "The label of the file system. The guest finds the disk by it.";
        example = "kw1-var";
      };
      mountPoint = mkOption {
        type = types.nullOr types.str;
        default = null;
        description = "The mount point in the guest. null for a raw device.";
        example = "/var";
      };
    };
  };

  share = types.submodule {
    options = {
      tag = mkOption {
        type = types.str;
        description = "The virtiofs tag.";
        example = "data";
      };
      source = mkOption {
        type = types.str;
        description = "The directory on the hypervisor.";
        example = "/srv/data";
      };
      mountPoint = mkOption {
        type = types.str;
        description = "The mount point in the guest.";
        example = "/data";
      };
      readOnly = mkOption {
        type = types.bool;
        default = false;
        description = "Whether virtiofsd on the hypervisor rejects writes.";
        example = true;
      };
    };
  };

  network = types.submodule {
    options = {
      ip = mkOption {
        type = types.str;
        description = "The IPv4 address of the VM.";
        example = "192.0.2.31";
      };
      prefixLength = mkOption {
        type = types.ints.between 1 32;
        description = "The prefix length of the network.";
        example = 24;
      };
      gateway = mkOption {
        type = types.nullOr types.str;
        default = null;
        description = "The default gateway. null for none.";
        example = "192.0.2.1";
      };
      nameservers = mkOption {
        type = types.listOf types.str;
        default = [ ];
        description = "The name servers.";
        example = [ "192.0.2.53" ];
      };
      mac = mkOption {
        type = types.strMatching "[0-9a-f]{2}(:[0-9a-f]{2}){5}";
        description = "The MAC address of the VM's network card, in lower case.";
        example = "02:00:00:00:00:31";
      };
    };
  };
in
{
  options.microvm-guest = {
    enable = mkEnableOption "the settings of a pulumi-microvm guest" // {
      default = true;
    };

    name = mkOption {
      type = types.strMatching "[a-z]([a-z0-9-]{0,61}[a-z0-9])?";
      default = config.networking.hostName;
      defaultText = "config.networking.hostName";
      description =
        "The name of the VM, of its directory below /var/lib/microvms and of microvm@NAME.";
      example = "kw1";
    };

    persistentEtc =
      mkEnableOption "a persistent /etc, shared by virtiofs from /var/lib/microvms/NAME/etc"
      // {
        default = true;
      };

    storeShare = mkOption {
      type = types.enum [
        "virtiofs"
        "9p"
      ];
      default = "virtiofs";
      description = ''
        How the guest mounts the hypervisor's /nix/store, read-only. 9p requires no daemon, but it
        is slower and only QEMU supports it.
      '';
      example = "9p";
    };

    network = mkOption {
      type = types.nullOr network;
      default = null;
      description = ''
        The only network card of the VM, on the hypervisor's bridge. null if your own modules
        configure cards and addresses.
      '';
      example = {
        ip = "192.0.2.31";
        prefixLength = 24;
        mac = "02:00:00:00:00:31";
      };
    };

    operatorKeys = mkOption {
      type = types.listOf types.str;
      default = [ ];
      description = "SSH public keys that are authorized to log in as root.";
      example = [ "ssh-ed25519 AAAA... alice" ];
    };

    volumes = mkOption {
      type = types.listOf volume;
      default = [ ];
      description = "The disks, in the order in which they are attached.";
      example = [
        {
          name = "var";
          image = "/var/lib/microvms/kw1/var.img";
          sizeMiB = 20480;
          label = "kw1-var";
          mountPoint = "/var";
        }
      ];
    };

    shares = mkOption {
      type = types.listOf share;
      default = [ ];
      description = "Directories of the hypervisor that are shared by virtiofs.";
      example = [
        {
          tag = "data";
          source = "/srv/data";
          mountPoint = "/data";
          readOnly = true;
        }
      ];
    };
  };

  config = mkIf cfg.enable (mkMerge [
    {
      assertions = [
        {
          assertion = hasMicrovm;
          message =
            "VM ${cfg.name}: the module microvm-guest requires microvm.nix; import "
            + "microvm.nixosModules.microvm.";
        }
        {
          assertion = !(cfg.persistentEtc && config.system.etc.overlay.enable);
          message =
            "VM ${cfg.name}: /etc is a virtiofs share and cannot also be an overlay; set "
            + "system.etc.overlay.enable = false or microvm-guest.persistentEtc = false.";
        }
        {
          assertion = map (key: key.path) config.services.openssh.hostKeys == [ hostKey.path ];
          message =
            "VM ${cfg.name}: pulumi-microvm creates and pins only the host key ${hostKey.path}; "
            + "remove other entries from services.openssh.hostKeys.";
        }
      ]
      ++ builtins.concatMap (volume: [
        {
          assertion = volume.fsType != "none" || volume.mountPoint == null;
          message =
            "VM ${cfg.name}: volume ${volume.name} is a raw device (fsType none) and cannot be "
            + "mounted at ${toString volume.mountPoint}; remove its mount point.";
        }
        {
          assertion = volume.mountPoint == null || volume.fsType == "none" || volume.label != null;
          message =
            "VM ${cfg.name}: volume ${volume.name} has a mount point but no label; set its label.";
        }
      ]) cfg.volumes;

      warnings =
        let
          inherit (config.users.users.root.openssh.authorizedKeys) keys keyFiles;
        in
        optional (keys == [ ] && keyFiles == [ ]) (
          "VM ${cfg.name}: no SSH key is authorized to log in as root; "
          + "add one to ssh.operatorKeys in the site."
        );

      # The VMM boots the kernel and the initrd directly.
      boot.loader.grub.enable = false;
      boot.loader.systemd-boot.enable = false;

      # Mounted by label. The mounts of microvm.volumes warn about labels that microvm-run did not
      # set.
      fileSystems =
        builtins.listToAttrs (
          map (volume: {
            name = volume.mountPoint;
            value = {
              # A missing label must reach the assertion above instead of failing here.
              device = "/dev/disk/by-label/${toString volume.label}";
              inherit (volume) fsType;
            };
          }) mounted
        )
        # The activation script writes to /etc before systemd starts.
        // optionalAttrs (cfg.persistentEtc && hasMicrovm) { "/etc".neededForBoot = true; };

      # The provider reads this link on the hypervisor to learn which system the guest runs. /run of
      # a guest is not visible there.
      system.activationScripts.pulumi-microvm = mkIf cfg.persistentEtc {
        deps = [ "etc" ];
        text = ''
          mkdir -p /etc/pulumi-microvm
          ln -sfn "$systemConfig" /etc/pulumi-microvm/system.new
          mv -T /etc/pulumi-microvm/system.new /etc/pulumi-microvm/system
        '';
      };

      services.openssh = {
        enable = true;
        hostKeys = [ hostKey ];
        settings = {
          PasswordAuthentication = false;
          KbdInteractiveAuthentication = false;
          PermitRootLogin = "prohibit-password";
        };
      };
      users.users.root.openssh.authorizedKeys.keys = cfg.operatorKeys;
    }

    (mkIf (cfg.network != null) {
      networking.useNetworkd = mkWeakDefault true;
      networking.useDHCP = mkWeakDefault false;
      systemd.network.enable = true;
      systemd.network.networks."10-site" = {
        # Matching by address excludes the interfaces of pods and containers.
        matchConfig.MACAddress = cfg.network.mac;
        address = [ "${cfg.network.ip}/${toString cfg.network.prefixLength}" ];
        gateway = optional (cfg.network.gateway != null) cfg.network.gateway;
        dns = cfg.network.nameservers;
        networkConfig.DHCP = "no";
        linkConfig.RequiredForOnline = "routable";
      };

      # microvm.nix disables systemd-networkd-wait-online, so network-online.target would be reached
      # before the address is set. k0s then fails and retries only after 120 s.
      systemd.services.pulumi-microvm-address = {
        description = "Wait for the address of the VM";
        wantedBy = [ "network-online.target" ];
        before = [ "network-online.target" ];
        after = [ "systemd-networkd.service" ];
        wants = [ "systemd-networkd.service" ];
        # A switch must not fail because a running VM changes its address.
        restartIfChanged = false;
        serviceConfig = {
          Type = "oneshot";
          RemainAfterExit = true;
          TimeoutStartSec = 90;
        };
        script = ''
          until [ -n "$(${pkgs.iproute2}/bin/ip -4 address show to ${cfg.network.ip})" ]; do
            sleep 0.2
          done
        ''
        + optionalString (cfg.network.gateway != null) ''
          until [ -n "$(${pkgs.iproute2}/bin/ip -4 route show default)" ]; do
            sleep 0.2
          done
        '';
      };
    })

    (optionalAttrs hasMicrovm {
      assertions = [
        {
          assertion = builtins.all (volume: !volume.autoCreate) config.microvm.volumes;
          message =
            "VM ${cfg.name}: a volume has autoCreate = true, so microvm-run would replace a "
            + "missing image by an empty one; set it to false and declare the volume in the site.";
        }
        {
          assertion = cfg.storeShare == "virtiofs" || config.microvm.hypervisor == "qemu";
          message =
            "VM ${cfg.name}: ${config.microvm.hypervisor} does not support 9p; set "
            + "microvm-guest.storeShare = \"virtiofs\".";
        }
        {
          assertion = builtins.elem config.microvm.hypervisor supportedVmms;
          message =
            "VM ${cfg.name}: pulumi-microvm does not support microvm.hypervisor = "
            + "\"${config.microvm.hypervisor}\"; "
            + "set it to ${concatStringsSep " or " supportedVmms}.";
        }
      ];

      microvm = {
        balloon = mkDefault true;
        deflateOnOOM = mkDefault true;

        interfaces = optional (cfg.network != null) {
          type = "tap";
          id = tap;
          inherit (cfg.network) mac;
        };

        volumes = map (volume: {
          inherit (volume) image;
          # The guest sees /dev/disk/by-id/virtio-NAME. virtio limits the serial to 20 characters.
          serial = builtins.substring 0 20 volume.name;
          mountPoint = null;
          size = volume.sizeMiB;
          autoCreate = false;
        }) cfg.volumes;

        shares = [
          {
            tag = "ro-store";
            source = "/nix/store";
            mountPoint = "/nix/.ro-store";
            proto = cfg.storeShare;
            # virtiofsd runs as root. Without this, root in the guest could write to the store.
            readOnly = true;
          }
        ]
        ++ optionals cfg.persistentEtc [
          {
            tag = "etc";
            source = "${stateDirectory}/etc";
            mountPoint = "/etc";
            proto = "virtiofs";
          }
        ]
        ++ map (
          share:
          {
            inherit (share) tag source mountPoint;
            proto = "virtiofs";
          }
          // optionalAttrs share.readOnly { readOnly = true; }
        ) cfg.shares;
      };
    })
  ]);
}
