# A VM of microvm.nix as pulumi-microvm runs it: no boot loader, a balloon, /etc kept on the hypervisor, the
# hypervisor's store, volumes that somebody else makes, a static address, and one SSH host key.
#
# Needs `microvm.nixosModules.microvm` of microvm.nix beside it. `lib.mkSite` fills the options from the site.
{
  config,
  lib,
  options,
  ...
}:
let
  inherit (lib)
    mkDefault
    mkEnableOption
    mkIf
    mkMerge
    mkOption
    optional
    optionalAttrs
    optionals
    types
    ;
  cfg = config.microvm-guest;
  hasMicrovm = options ? microvm && options.microvm ? guest;

  # The directory that the provider prepares on the hypervisor before the first boot.
  stateDirectory = "/var/lib/microvms/${cfg.name}";
  hostKey = {
    type = "ed25519";
    path = "/etc/ssh/ssh_host_ed25519_key";
  };

  # A card's name has 15 characters at most; two long VM names must not end up the same.
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
        description = "The volume's name in the site. The guest sees it as the disk's serial number.";
        example = "var";
      };
      image = mkOption {
        type = types.strMatching "/.*";
        description = "The image on the hypervisor. Made, labelled and grown by pulumi-microvm.";
        example = "/var/lib/microvms/kw1/var.img";
      };
      sizeMiB = mkOption {
        type = types.ints.positive;
        description = "Size in MiB. Only told: a change of it alone changes nothing in the VM.";
        example = 20480;
      };
      fsType = mkOption {
        type = types.enum [
          "ext4"
          "none"
        ];
        default = "ext4";
        description = "`none` is a raw device, for a Ceph OSD.";
        example = "none";
      };
      label = mkOption {
        type = types.nullOr types.str;
        default = null;
        description = "The file system's label, by which the guest finds the disk.";
        example = "kw1-var";
      };
      mountPoint = mkOption {
        type = types.nullOr types.str;
        default = null;
        description = "Where the guest mounts it; null for a raw device.";
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
        description = "Directory on the hypervisor.";
        example = "/srv/data";
      };
      mountPoint = mkOption {
        type = types.str;
        description = "Where the guest mounts it.";
        example = "/data";
      };
      readOnly = mkOption {
        type = types.bool;
        default = false;
        description = "Refuse writes already on the hypervisor.";
        example = true;
      };
    };
  };

  network = types.submodule {
    options = {
      ip = mkOption {
        type = types.str;
        description = "IPv4 address.";
        example = "192.0.2.31";
      };
      prefixLength = mkOption {
        type = types.ints.between 1 32;
        description = "Length of the network's prefix.";
        example = 24;
      };
      gateway = mkOption {
        type = types.nullOr types.str;
        default = null;
        description = "Default gateway; null for none.";
        example = "192.0.2.1";
      };
      nameservers = mkOption {
        type = types.listOf types.str;
        default = [ ];
        description = "Name servers.";
        example = [ "192.0.2.53" ];
      };
      mac = mkOption {
        type = types.strMatching "[0-9a-f]{2}(:[0-9a-f]{2}){5}";
        description = "MAC address of the VM's card, in lower case.";
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
      description = "The VM's name: its directory below /var/lib/microvms, and its unit microvm@NAME.";
      example = "kw1";
    };

    persistentEtc = mkEnableOption "a persistent /etc, shared by virtiofs from /var/lib/microvms/NAME/etc" // {
      default = true;
    };

    storeShare = mkOption {
      type = types.enum [
        "virtiofs"
        "9p"
      ];
      default = "virtiofs";
      description = "How the guest gets the hypervisor's /nix/store, read-only. 9p needs no daemon, is slower, and QEMU only.";
      example = "9p";
    };

    network = mkOption {
      type = types.nullOr network;
      default = null;
      description = "The VM's only card, on the hypervisor's bridge. null: cards and addresses are the user's own.";
      example = {
        ip = "192.0.2.31";
        prefixLength = 24;
        mac = "02:00:00:00:00:31";
      };
    };

    operatorKeys = mkOption {
      type = types.listOf types.str;
      default = [ ];
      description = "SSH public keys that may log in as root.";
      example = [ "ssh-ed25519 AAAA... alice" ];
    };

    volumes = mkOption {
      type = types.listOf volume;
      default = [ ];
      description = "Disks, in the order in which the VM gets them.";
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
      description = "Directories of the hypervisor, by virtiofs.";
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
          message = "VM ${cfg.name}: the module microvm-guest needs microvm.nix; import microvm.nixosModules.microvm beside it.";
        }
        {
          assertion = !(cfg.persistentEtc && config.system.etc.overlay.enable);
          message = "VM ${cfg.name}: /etc is kept by virtiofs, so it can't be an overlay too; set system.etc.overlay.enable = false or microvm-guest.persistentEtc = false.";
        }
        {
          assertion = map (key: key.path) config.services.openssh.hostKeys == [ hostKey.path ];
          message = "VM ${cfg.name}: pulumi-microvm makes and pins the key ${hostKey.path} alone; take other services.openssh.hostKeys away.";
        }
      ]
      ++ builtins.concatMap (volume: [
        {
          assertion = volume.fsType != "none" || volume.mountPoint == null;
          message = "VM ${cfg.name}: volume ${volume.name} is a raw device (fsType none) and can't be mounted at ${toString volume.mountPoint}; take the mount point away.";
        }
        {
          assertion = volume.mountPoint == null || volume.fsType == "none" || volume.label != null;
          message = "VM ${cfg.name}: volume ${volume.name} is to be mounted but has no label to find it by; give it one.";
        }
      ]) cfg.volumes;

      warnings = optional (
        config.users.users.root.openssh.authorizedKeys.keys == [ ]
      ) "VM ${cfg.name}: no SSH key may log in as root; name one in ssh.operatorKeys of the site.";

      # The hypervisor hands kernel and initrd to the VMM.
      boot.loader.grub.enable = false;
      boot.loader.systemd-boot.enable = false;

      # By label, and not by microvm.volumes' own mounts: those warn about labels that microvm-run did not write.
      fileSystems =
        builtins.listToAttrs (
          map (volume: {
            name = volume.mountPoint;
            value = {
              # Without a label it is the assertion above that is to be read.
              device = "/dev/disk/by-label/${toString volume.label}";
              inherit (volume) fsType;
            };
          }) mounted
        )
        # Activation writes to /etc before systemd is there.
        // optionalAttrs (cfg.persistentEtc && hasMicrovm) { "/etc".neededForBoot = true; };

      # On the hypervisor the provider reads there what this guest runs: /run is not to be seen from outside.
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
      networking.useNetworkd = mkDefault true;
      networking.useDHCP = mkDefault false;
      systemd.network.enable = true;
      systemd.network.networks."10-site" = {
        # By address, so that cards of pods and of containers are left alone.
        matchConfig.MACAddress = cfg.network.mac;
        address = [ "${cfg.network.ip}/${toString cfg.network.prefixLength}" ];
        gateway = optional (cfg.network.gateway != null) cfg.network.gateway;
        dns = cfg.network.nameservers;
        networkConfig.DHCP = "no";
        linkConfig.RequiredForOnline = "routable";
      };
    })

    (optionalAttrs hasMicrovm {
      assertions = [
        {
          assertion = builtins.all (volume: !volume.autoCreate) config.microvm.volumes;
          message = "VM ${cfg.name}: a volume has autoCreate = true: microvm-run would make and format an image that is missing, which hides its loss; set it to false and state the volume in the site.";
        }
        {
          assertion = cfg.storeShare == "virtiofs" || config.microvm.hypervisor == "qemu";
          message = "VM ${cfg.name}: ${config.microvm.hypervisor} has no 9p; set microvm-guest.storeShare = \"virtiofs\".";
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
          # /dev/disk/by-id/virtio-NAME; virtio has room for 20 characters.
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
            # virtiofsd runs as root: root in the guest must not write to the hypervisor's store.
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
