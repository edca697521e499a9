# A member of a k0s cluster. Cilium replaces k0s's own network provider and kube-proxy.
#
# Requires `k0s-nix.nixosModules.default` and its overlay. `lib.mkSite` sets the options from the
# site. docs/decisions/0019 explains how k0s starts.
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
    hasPrefix
    mkDefault
    mkEnableOption
    mkForce
    mkIf
    mkMerge
    mkOption
    optional
    optionalAttrs
    optionals
    types
    unique
    ;
  cfg = config.k0s-node;
  node = config.networking.hostName;
  inherit (config.systemd) services;
  hasK0s = options ? services && options.services ? k0s;
  isController = cfg.role != "worker";
  isWorker = cfg.role != "controller";

  scriptOf = import ../lib/scripts.nix { inherit lib; };
  condition = scriptOf "k0s-condition";

  dataDirectory = "/var/lib/k0s";
  # The name that `k0s restore` expects in a backup. A backup has the file under its own name.
  configuration = "/etc/k0s/k0s.yaml";
  holdsData =
    mountPoint:
    mountPoint != "/" && (mountPoint == dataDirectory || hasPrefix "${mountPoint}/" dataDirectory);

  # k0s-nix's `pkgs.k0s` moves to the next minor version by itself.
  attribute = "k0s_${builtins.replaceStrings [ "." ] [ "_" ] cfg.version}";
  package =
    pkgs.${attribute} or (throw (
      "${node}: there is no package ${attribute}; use the overlay of a k0s-nix that has k0s "
      + "${cfg.version}, or correct cluster.k0sVersion in the site"
    ));

  # $K0S_TOKEN_ARGUMENT comes from the condition. systemd makes no argument of an empty variable.
  command = concatStringsSep " " (
    [
      "${config.services.k0s.package}/bin/k0s"
      (if isController then "controller" else "worker")
      "--data-dir=${dataDirectory}"
    ]
    ++ optionals isController [
      "--config=${configuration}"
      # They would replace the binary in place, which the Nix store does not allow.
      "--disable-components=autopilot,update-prober"
    ]
    # The site sets taints through the API.
    ++ optional (isController && isWorker) "--enable-worker --no-taints"
    ++ [ "$K0S_TOKEN_ARGUMENT" ]
    ++ optional (config.services.k0s.extraArgs != "") config.services.k0s.extraArgs
  );
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

    version = mkOption {
      type = types.strMatching "1\\.[0-9]+";
      description = "The minor version of k0s.";
      example = "1.36";
    };

    address = mkOption {
      type = types.str;
      description = "The address of the node. Its API and its etcd are reached there.";
      example = "192.0.2.21";
    };

    endpoint = mkOption {
      type = types.nullOr types.str;
      default = null;
      description = ''
        Where clients reach the API: a virtual IP, a load balancer or a controller. null: only at
        the addresses of the controllers.
      '';
      example = "192.0.2.20";
    };

    apiNames = mkOption {
      type = types.listOf types.str;
      default = [ ];
      description = "Additional SANs of the API certificate.";
      example = [ "k0s.example.org" ];
    };

    nodeLocalLoadBalancing = mkOption {
      type = types.bool;
      default = true;
      description = ''
        Whether each worker has a load balancer for the API. It must be the same on all controllers.
        Do not change it in a cluster that exists.
      '';
      example = false;
    };

    podNetwork = mkOption {
      type = types.str;
      default = "10.244.0.0/16";
      description = "The network of the pods. Do not change it in a cluster that exists.";
      example = "10.32.0.0/16";
    };

    serviceNetwork = mkOption {
      type = types.str;
      default = "10.96.0.0/12";
      description = "The network of the services. Do not change it in a cluster that exists.";
      example = "10.64.0.0/16";
    };

    tokenFile = mkOption {
      type = types.strMatching "/[A-Za-z0-9._/-]+";
      default = "/etc/k0s/k0stoken";
      description = ''
        Where the provider writes the join token. The file remains after the join, with a dummy
        token, and must survive a reboot.
      '';
      example = "/var/lib/secrets/k0stoken";
    };

    clusterName = mkOption {
      type = types.strMatching "[a-z0-9]([a-z0-9-]*[a-z0-9])?";
      default = "k0s";
      description = "The name of the cluster. It must be the same on all members.";
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
          # Before 2026-08-20.
          assertion = !(services ? k0scontroller || services ? k0sworker);
          message =
            "${node}: this k0s-nix has no unit k0s; update the flake input k0s-nix to "
            + "github:nix-community/k0s-nix of 2026-08-22 or newer.";
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

      networking.firewall = {
        # Cilium sets its own rules.
        enable = mkDefault false;
        # The reverse path filter drops pod traffic: cilium/cilium#31565.
        checkReversePath = mkDefault false;
        # For those who enable the firewall.
        allowedTCPPorts =
          # etcd, the API, konnectivity, the join API
          optionals isController [
            2380
            6443
            8132
            9443
          ]
          # Cilium's health checks, the kubelet
          ++ optionals isWorker [
            4240
            10250
          ];
        # VXLAN
        allowedUDPPorts = optional isWorker 8472;
      };

      # networkd must not remove Cilium's routes and rules when it restarts.
      systemd.network.config.networkConfig = {
        ManageForeignRoutes = false;
        ManageForeignRoutingPolicyRules = false;
      };
    }

    (mkIf isWorker {
      # systemd sets rp_filter of each new interface: cilium/cilium#10645.
      boot.kernel.sysctl = {
        "net.ipv4.ip_forward" = mkDefault 1;
        "net.ipv4.conf.all.rp_filter" = mkDefault 0;
        "net.ipv4.conf.default.rp_filter" = mkDefault 0;
        "net.ipv4.conf.lxc*.rp_filter" = mkDefault 0;
        "net.ipv4.conf.cilium_*.rp_filter" = mkDefault 0;
      };

      # Rook's volumes use these modules. Its pods cannot load the modules of a NixOS kernel:
      # rook/rook#10121.
      boot.kernelModules = [
        "rbd"
        "ceph"
        "nbd"
      ];
    })

    (optionalAttrs hasK0s {
      services.k0s = {
        enable = true;
        inherit (cfg) role tokenFile clusterName;
        package = mkDefault package;
        spec = {
          api = {
            inherit (cfg) address;
            sans = unique (
              [ cfg.address ] ++ optional (cfg.endpoint != null) cfg.endpoint ++ cfg.apiNames
            );
          }
          # With node-local load balancing, k0s must not use another load balancer. The only
          # controller needs none.
          // optionalAttrs
            (!cfg.nodeLocalLoadBalancing && cfg.endpoint != null && cfg.endpoint != cfg.address)
            { externalAddress = cfg.endpoint; };
          network = {
            provider = "custom";
            kubeProxy.disabled = true;
            podCIDR = cfg.podNetwork;
            serviceCIDR = cfg.serviceNetwork;
            nodeLocalLoadBalancing.enabled = cfg.nodeLocalLoadBalancing;
          };
          # The default of k0s-nix is the loopback address, which other controllers cannot reach.
          storage.etcd.peerAddress = cfg.address;
        };
      };

      systemd.services.k0s = {
        # k0s needs the node's address. microvm-guest delays this target until the address is set.
        wants = [ "network-online.target" ];
        after = [ "network-online.target" ];
        # For the condition.
        path = [ pkgs.gzip ];
        # The path of the configuration stays the same when its content changes.
        restartTriggers = optional isController config.environment.etc."k0s/k0s.yaml".source;
        unitConfig = {
          # The condition decides. A founder has no token.
          ConditionPathExists = mkForce [ ];
          # Without its volume, a member would look like a machine without data.
          RequiresMountsFor = dataDirectory;
          # A system without the role does not stop k0s. The member must leave the cluster first.
          X-StopOnRemoval = false;
        };
        serviceConfig = {
          ExecCondition = concatStringsSep " " [
            "/bin/sh"
            "${condition}"
            dataDirectory
            (if isController then "controller" else "worker")
            cfg.tokenFile
            cfg.clusterName
          ];
          EnvironmentFile = "-/run/pulumi-microvm/k0s.env";
          ExecStart = mkForce command;
          # k0s-nix waits for 120 s, too long for a join that fails once.
          RestartSec = mkForce 10;
        };
      };
    })
  ]);
}
