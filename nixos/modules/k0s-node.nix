# A member of a k0s cluster, with Cilium in place of k0s's own network and of kube-proxy.
#
# Needs `k0s-nix.nixosModules.default` and its overlay beside it. `lib.mkSite` sets role and address from the site.
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
      description = "What the node does: control plane, workloads, or both.";
      example = "worker";
    };

    isLeader = mkOption {
      type = types.bool;
      default = false;
      description = ''
        The controller that begins the cluster. It starts without a token, so exactly one may be it, and it stays it:
        a second one begins a second cluster.
      '';
      example = true;
    };

    address = mkOption {
      type = types.str;
      description = "The node's own address: where its API and its etcd are reached.";
      example = "192.0.2.21";
    };

    apiNames = mkOption {
      type = types.listOf types.str;
      default = [ ];
      description = "More names and addresses for the API's certificate, of a load balancer for example.";
      example = [ "k0s.example.org" ];
    };

    tokenFile = mkOption {
      type = types.strMatching "/.*";
      default = "/etc/k0s/k0stoken";
      description = ''
        Where the provider puts the join token. k0s starts only if the file is there, so it stays after the join, with
        other content; it must outlive a reboot.
      '';
      example = "/var/lib/secrets/k0stoken";
    };

    clusterName = mkOption {
      type = types.str;
      default = "k0s";
      description = "The cluster's name; the same on all controllers.";
      example = "production";
    };
  };

  config = mkIf cfg.enable (mkMerge [
    {
      assertions = [
        {
          assertion = hasK0s;
          message = "${node}: the module k0s-node needs k0s-nix; import k0s-nix.nixosModules.default beside it.";
        }
        {
          assertion = isController || !cfg.isLeader;
          message = "${node}: a worker can't begin a cluster; set k0s-node.isLeader on a controller.";
        }
        {
          assertion = builtins.any holdsData (builtins.attrNames config.fileSystems);
          message = "${node}: ${dataDirectory} would be lost with each reboot: it is on the root file system, which is memory; give the VM a volume mounted at /var.";
        }
        {
          assertion = !(hasPrefix "/run/" cfg.tokenFile);
          message = "${node}: k0s-node.tokenFile is below /run: k0s would not start after a reboot; put it below /etc.";
        }
      ];

      # Cilium sets its own rules; the firewall of NixOS drops pods' traffic (reverse path filter).
      networking.firewall.enable = mkDefault false;

      # Nor may networkd take away the routes and rules that Cilium made, when it restarts.
      systemd.network.config.networkConfig = {
        ManageForeignRoutes = false;
        ManageForeignRoutingPolicyRules = false;
      };

      # For Rook's volumes: its pods can't load modules of a NixOS kernel.
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
          # k0s-nix's default is the loopback, where no other controller finds it.
          storage.etcd.peerAddress = cfg.address;
        };
      }
      # k0s-nix has this option for controllers alone.
      // optionalAttrs isController { controller.isLeader = cfg.isLeader; };
    })
  ]);
}
