# A bridge that connects the VMs to the hypervisor's LAN. systemd-networkd configures it.
{ config, lib, ... }:
let
  inherit (lib)
    mkEnableOption
    mkIf
    mkOption
    mkOverride
    optional
    optionalAttrs
    types
    ;
  cfg = config.microvm-bridge;

  interfaceName = types.strMatching "[A-Za-z0-9_][A-Za-z0-9_.-]{0,14}";
  mtu = optionalAttrs (cfg.mtu != null) { MTUBytes = toString cfg.mtu; };

  # A hardware-configuration.nix sets some options with mkDefault (priority 1000). These defaults
  # yield to it, but override the defaults of NixOS (priority 1500).
  mkWeakDefault = mkOverride 1250;

  # networkd keeps the configured addresses and routes over its own restart and removes all others.
  # "static" would also keep those of an earlier configuration.
  keepNothingElse.KeepConfiguration = "no";

  # NetworkManager configures every interface that is not on its list of unmanaged ones.
  ours = map (name: "interface-name:${name}") (
    optional (cfg.physicalNic != null) cfg.physicalNic
    ++ [
      cfg.name
      cfg.ports
    ]
  );
  managed = builtins.filter (
    name: !(builtins.elem name config.networking.networkmanager.unmanaged)
  ) ours;
  quoted = names: builtins.concatStringsSep " " (map (name: "\"${name}\"") names);
in
{
  options.microvm-bridge = {
    enable = mkEnableOption "the bridge that VMs are attached to";

    physicalNic = mkOption {
      type = types.nullOr interfaceName;
      default = null;
      description = "The card that becomes a port of the bridge. Its address moves to the bridge.";
      example = "eno1";
    };

    name = mkOption {
      type = interfaceName;
      default = "br0";
      description = "The name of the bridge.";
      example = "br1";
    };

    address = mkOption {
      type = types.nullOr (types.strMatching "[0-9.]+/[0-9]+");
      default = null;
      description = ''
        The host's address on the bridge, with its prefix length. null if the bridge has no address
        and the host is reached through another card.
      '';
      example = "192.0.2.11/24";
    };

    gateway = mkOption {
      type = types.nullOr types.str;
      default = null;
      description = "The default gateway. null if the default route uses another card.";
      example = "192.0.2.1";
    };

    nameservers = mkOption {
      type = types.listOf types.str;
      default = [ ];
      description = "Name servers that are reached through the bridge.";
      example = [ "192.0.2.53" ];
    };

    mtu = mkOption {
      type = types.nullOr (types.ints.between 1280 65535);
      default = null;
      description = "The MTU of the card, the bridge and the ports. null for the kernel's default.";
      example = 9000;
    };

    ports = mkOption {
      type = types.str;
      default = "vm-*";
      description = "A glob for the VMs' interfaces on the host. microvm-guest names them vm-NAME.";
      example = "vm-*";
    };
  };

  config = mkIf cfg.enable {
    assertions = [
      {
        assertion = cfg.physicalNic != null;
        message =
          "microvm-bridge: ${cfg.name} has no network card; set microvm-bridge.physicalNic.";
      }
      {
        assertion = cfg.physicalNic != cfg.name;
        message =
          "microvm-bridge: the bridge and its card have the same name ${cfg.name}; rename the "
          + "bridge.";
      }
      {
        assertion = cfg.gateway == null || cfg.address != null;
        message =
          "microvm-bridge: gateway ${toString cfg.gateway} requires an address; set "
          + "microvm-bridge.address.";
      }
      {
        assertion = !(config.networking.bridges ? ${cfg.name});
        message =
          "microvm-bridge: networking.bridges also defines ${cfg.name}; remove that definition.";
      }
      {
        assertion = !config.networking.networkmanager.enable || managed == [ ];
        message =
          "microvm-bridge: NetworkManager would reconfigure the bridge and its ports; set "
          + "networking.networkmanager.enable = false, or add ${quoted managed} to "
          + "networking.networkmanager.unmanaged.";
      }
    ];

    networking.useNetworkd = mkWeakDefault true;
    networking.useDHCP = mkWeakDefault false;

    systemd.network = {
      enable = true;

      netdevs."10-${cfg.name}".netdevConfig = {
        Name = cfg.name;
        Kind = "bridge";
      }
      // mtu;

      networks = {
        "10-${cfg.name}" = {
          matchConfig.Name = cfg.name;
          address = optional (cfg.address != null) cfg.address;
          gateway = optional (cfg.gateway != null) cfg.gateway;
          dns = cfg.nameservers;
          networkConfig = {
            DHCP = "no";
            # The bridge is up and has its address while the cable is unplugged.
            ConfigureWithoutCarrier = true;
          }
          // keepNothingElse;
          linkConfig = {
            RequiredForOnline = "no-carrier";
          }
          // mtu;
        };

        # A port has no address: it would compete with the address of the bridge.
        "10-microvm-ports" = {
          matchConfig.Name = cfg.ports;
          networkConfig = {
            Bridge = cfg.name;
          }
          // keepNothingElse;
          # VMs start and stop. The host is online without them.
          linkConfig = {
            RequiredForOnline = "no";
          }
          // mtu;
        };
      }
      // optionalAttrs (cfg.physicalNic != null) {
        "10-${cfg.physicalNic}" = {
          matchConfig.Name = cfg.physicalNic;
          networkConfig = {
            Bridge = cfg.name;
          }
          // keepNothingElse;
          linkConfig = {
            RequiredForOnline = "enslaved";
          }
          // mtu;
        };
      };
    };

    # A switch restarts networkd once, instead of stopping it before the activation and starting it
    # after. The host stays reachable in between.
    systemd.services.systemd-networkd.stopIfChanged = false;
  };
}
