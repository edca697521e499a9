# A member of a k0s cluster. Cilium replaces k0s's own network provider and kube-proxy.
#
# Requires `k0s-nix.nixosModules.default` and its overlay. `lib.mkSite` sets the role and the
# address from the site.
{
  config,
  lib,
  options,
  ...
}:
let
  inherit (lib)
    hasPrefix
    mkDefault
    mkEnableOption
    mkIf
    mkMerge
    mkOption
    optionalAttrs
    types
    ;
  cfg = config.k0s-node;
  node = config.networking.hostName;
  hasK0s = options ? services && options.services ? k0s;
  isController = cfg.role != "worker";
  isWorker = cfg.role != "controller";

  dataDirectory = "/var/lib/k0s";
  holdsData =
    mountPoint:
    mountPoint != "/" && (mountPoint == dataDirectory || hasPrefix "${mountPoint}/" dataDirectory);
in
{
  options.k0s-node = {
    enable = mkEnableOption "k0s on this machine";

    role = mkOption {
      type = types.enum [
        "controller"
        "worker"
        "controller+worker"
      ];
      description = "Whether the node runs the control plane, workloads, or both.";
      example = "worker";
    };

    isLeader = mkOption {
      type = types.bool;
      default = false;
      description = ''
        Whether this controller founds the cluster. It starts without a join token. Set this on
        exactly one controller and never move it: a second such controller founds a second cluster.
      '';
      example = true;
    };

    address = mkOption {
      type = types.str;
      description = "The address of the node. Its API and its etcd are reached there.";
      example = "192.0.2.21";
    };

    apiNames = mkOption {
      type = types.listOf types.str;
      default = [ ];
      description = "Additional SANs of the API certificate, for example those of a load balancer.";
      example = [ "k0s.example.org" ];
    };

    tokenFile = mkOption {
      type = types.strMatching "/.*";
      default = "/etc/k0s/k0stoken";
      description = ''
        Where the provider writes the join token. k0s starts only if the file exists. The file
        therefore remains after the join, with other content, and must survive a reboot.
      '';
      example = "/var/lib/secrets/k0stoken";
    };

    clusterName = mkOption {
      type = types.str;
      default = "k0s";
      description = "The name of the cluster. It must be the same on all controllers.";
      example = "production";
    };
  };

  config = mkIf cfg.enable (mkMerge [
    {
      assertions = [
        {
          assertion = hasK0s;
          message =
            "${node}: the module k0s-node requires k0s-nix; import k0s-nix.nixosModules.default.";
        }
        {
          assertion = isController || !cfg.isLeader;
          message =
            "${node}: a worker cannot found a cluster; set k0s-node.isLeader on a controller.";
        }
        {
          assertion = builtins.any holdsData (builtins.attrNames config.fileSystems);
          message =
            "${node}: ${dataDirectory} would be lost at each reboot, because the root file system "
            + "is in memory; add a volume with the mount point /var to the VM.";
        }
        {
          assertion = !(hasPrefix "/run/" cfg.tokenFile);
          message =
            "${node}: k0s-node.tokenFile is below /run, which is lost at each reboot; use a path "
            + "below /etc.";
        }
      ];

      # Cilium sets its own rules. The reverse path filter of the NixOS firewall drops pod traffic.
      networking.firewall.enable = mkDefault false;

      # networkd must not remove Cilium's routes and rules when it restarts.
      systemd.network.config.networkConfig = {
        ManageForeignRoutes = false;
        ManageForeignRoutingPolicyRules = false;
      };

      # Rook's volumes use these modules. Its pods cannot load the modules of a NixOS kernel.
      boot.kernelModules = lib.optionals isWorker [
        "rbd"
        "ceph"
      ];
    }

    (optionalAttrs hasK0s {
      services.k0s = {
        enable = true;
        inherit (cfg) role tokenFile clusterName;
        spec = {
          api = {
            inherit (cfg) address;
            sans = [ cfg.address ] ++ cfg.apiNames;
          };
          network = {
            provider = "custom";
            kubeProxy.disabled = true;
          };
          # The default of k0s-nix is the loopback address, which other controllers cannot reach.
          storage.etcd.peerAddress = cfg.address;
        };
      }
      # k0s-nix has this option only on controllers.
      // optionalAttrs isController { controller.isLeader = cfg.isLeader; };

      # k0s needs the node's address. If it is not set yet, k0s fails and retries only after 120 s.
      # microvm-guest delays network-online.target until the address is set.
      systemd.services.${if isController then "k0scontroller" else "k0sworker"} = {
        wants = [ "network-online.target" ];
        after = [ "network-online.target" ];
      };
    })
  ]);
}
