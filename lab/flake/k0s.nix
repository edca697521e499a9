# The k0s of a machine with a role, after nixos/modules/k0s-node.nix and the k0s-nix below it:
# docs/decisions/0019. What differs from them:
# - The program is the lab's stand-in (lab/k0s). A package is only a script that starts it, so a
#   version that changes restarts k0s as a real one does.
# - k0s's waits are short, etcd does not wait for the disk, and k0s stops its API server sooner.
# - A start that fails is repeated after 3 s, not 10 s.
# - The API servers have an audit log, for tests.
# A QEMU guest of the lab has no systemd, and ignores all of it.
{ build, machine }:
let
  inherit (builtins) concatStringsSep filter hashString toJSON;

  inherit (machine) cluster role;
  isController = role != "worker";
  isWorker = role != "controller";
  programs = "/usr/local/lib/pulumi-microvm-lab/programs";
  data = "/var/lib/k0s";

  # The lab has one build of Kubernetes, and reports the minor version that the site names.
  version = "${cluster.k0sVersion}.3+k0s.2";

  package = build {
    name = "k0s-${version}";
    args = [ ./scripts/k0s/build-package.sh ];
    inherit programs version;
  };

  # With node-local load balancing, k0s must not use another load balancer.
  externalAddress =
    if
      !cluster.nodeLocalLoadBalancing
      && cluster ? endpoint
      && cluster.endpoint != machine.network.ip
    then
      { externalAddress = cluster.endpoint; }
    else
      { };

  configuration =
    if isController then
      toJSON {
        apiVersion = "k0s.k0sproject.io/v1beta1";
        kind = "ClusterConfig";
        metadata.name = cluster.name;
        spec = {
          api = {
            address = machine.network.ip;
            sans =
              [ machine.network.ip ]
              ++ (if cluster ? endpoint then [ cluster.endpoint ] else [ ])
              ++ cluster.sans or [ ];
            extraArgs = {
              audit-log-path = "/var/log/k0s-audit.log";
              audit-policy-file = "/etc/k0s/audit.yaml";
            };
          }
          // externalAddress;
          network = {
            provider = "custom";
            kubeProxy.disabled = true;
            podCIDR = cluster.podNetwork;
            serviceCIDR = cluster.serviceNetwork;
            nodeLocalLoadBalancing.enabled = cluster.nodeLocalLoadBalancing;
          };
          storage = {
            type = "etcd";
            etcd = {
              peerAddress = machine.network.ip;
              extraArgs.unsafe-no-fsync = "true";
            };
          };
          telemetry.enabled = false;
        };
      }
    else
      "";

  command = concatStringsSep " " (
    [
      "${package}/bin/k0s"
      (if isController then "controller" else "worker")
      "--data-dir=${data}"
    ]
    ++ (
      if isController then
        [
          "--config=/etc/k0s/k0s.yaml"
          "--disable-components=autopilot,update-prober"
        ]
      else
        [ ]
    )
    ++ (if isController && isWorker then [ "--enable-worker --no-taints" ] else [ ])
    ++ [ "$K0S_TOKEN_ARGUMENT" ]
    ++ (if isController then [ "--api-server-stop-timeout=4s" ] else [ ])
  );

  condition = concatStringsSep " " [
    "/bin/sh ${programs}/k0s-condition ${data}"
    (if isController then "controller" else "worker")
    "/etc/k0s/k0stoken ${cluster.name}"
  ];

  unit = concatStringsSep "\n" (
    [
      "[Unit]"
      "Description=k0s - Zero Friction Kubernetes"
      # The second one is part of the first on NixOS. k0s requires the guest's address.
      "Wants=network-online.target systemd-networkd-wait-online.service"
      "After=network-online.target systemd-networkd-wait-online.service"
      "RequiresMountsFor=${data}"
      # The lab may still build it. A start in the meantime must not use up a founding mark.
      "ConditionPathExists=${programs}/k0s/k0s"
      "StartLimitIntervalSec=5"
      "StartLimitBurst=10"
      "X-StopOnRemoval=false"
    ]
    # Its path stays the same when its content changes.
    ++ (if isController then [ "X-Restart-Triggers=${hashString "sha256" configuration}" ] else [ ])
    ++ [
      ""
      "[Service]"
      "EnvironmentFile=-/run/pulumi-microvm/k0s.env"
      "ExecCondition=${condition}"
      "ExecStart=${command}"
      "Restart=always"
      "RestartSec=3"
      "KillMode=process"
      "TimeoutStartSec=0"
      "Delegate=yes"
      "LimitNOFILE=999999"
      "TasksMax=infinity"
      ""
    ]
  );
in
{
  inherit package configuration unit;
  # What mkSite tells of the k0s of a member.
  facts = {
    inherit version;
    unit = hashString "sha256" unit;
    configuration = hashString "sha256" configuration;
  };
}
