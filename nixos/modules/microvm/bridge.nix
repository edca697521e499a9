# A bridge with the hypervisor's card, so that VMs are on the LAN themselves. By systemd-networkd.
{ config, lib, ... }:
let
  inherit (lib)
    mkDefault
    mkEnableOption
    mkIf
    mkOption
    optional
    optionalAttrs
    types
    ;
  cfg = config.microvm-bridge;

  interfaceName = types.strMatching "[A-Za-z0-9_][A-Za-z0-9_.-]{0,14}";
  mtu = optionalAttrs (cfg.mtu != null) { MTUBytes = toString cfg.mtu; };
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
      description = "The bridge's name.";
      example = "br1";
    };

    address = mkOption {
      type = types.nullOr (types.strMatching "[0-9.]+/[0-9]+");
      default = null;
      description = "The host's own address on the bridge, with its prefix. null: none, the host is reached another way.";
      example = "192.0.2.11/24";
    };

    gateway = mkOption {
      type = types.nullOr types.str;
      default = null;
      description = "Default gateway by way of the bridge. null where the default route leaves through another card.";
      example = "192.0.2.1";
    };

    nameservers = mkOption {
      type = types.listOf types.str;
      default = [ ];
      description = "Name servers to ask by way of the bridge.";
      example = [ "192.0.2.53" ];
    };

    mtu = mkOption {
      type = types.nullOr (types.ints.between 1280 65535);
      default = null;
      description = "MTU of the card, the bridge and the VMs' ports. null: the kernel's.";
      example = 9000;
    };

    ports = mkOption {
      type = types.str;
      default = "vm-*";
      description = "Names of the VMs' cards on the host; microvm-guest calls them vm-NAME.";
      example = "vm-*";
    };
  };

  config = mkIf cfg.enable {
    assertions = [
      {
        assertion = cfg.physicalNic != null;
        message = "microvm-bridge: there is no card to put into ${cfg.name}; set microvm-bridge.physicalNic.";
      }
      {
        assertion = cfg.physicalNic != cfg.name;
        message = "microvm-bridge: the bridge and its card are both called ${cfg.name}; give the bridge another name.";
      }
      {
        assertion = cfg.gateway == null || cfg.address != null;
        message = "microvm-bridge: the gateway ${toString cfg.gateway} can't be reached without an address; set microvm-bridge.address.";
      }
      {
        assertion = !(config.networking.bridges ? ${cfg.name});
        message = "microvm-bridge: networking.bridges makes ${cfg.name} too; take it away there.";
      }
    ];

    networking.useNetworkd = mkDefault true;
    networking.useDHCP = mkDefault false;

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
            # Up, with its address, also while the cable is out.
            ConfigureWithoutCarrier = true;
            # A restart of networkd keeps what is there: a switch over SSH does not cut itself off.
            KeepConfiguration = "static";
          };
          linkConfig = {
            RequiredForOnline = "no-carrier";
          }
          // mtu;
        };

        "10-microvm-ports" = {
          matchConfig.Name = cfg.ports;
          networkConfig.Bridge = cfg.name;
          networkConfig.KeepConfiguration = "static";
          # VMs come and go; the host is online without them.
          linkConfig = {
            RequiredForOnline = "no";
          }
          // mtu;
        };
      }
      // optionalAttrs (cfg.physicalNic != null) {
        "10-${cfg.physicalNic}" = {
          matchConfig.Name = cfg.physicalNic;
          networkConfig.Bridge = cfg.name;
          networkConfig.KeepConfiguration = "static";
          linkConfig = {
            RequiredForOnline = "enslaved";
          }
          // mtu;
        };
      };
    };

    # One restart instead of a stop before and a start after the activation.
    systemd.services.systemd-networkd.stopIfChanged = false;
  };
}
