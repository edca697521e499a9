# A stand-in for NixOS, microvm.nix and k0s-nix. It declares only the options that our modules and
# mkSite set or read, with their real types. A module that uses another option fails every test.
# docs/nixos-options.md names the source of each option.
{ lib }:
let
  inherit (lib) mkOption types;
  option = type: default: mkOption { inherit type default; };
  required = type: mkOption { inherit type; };
  bool = option types.bool false;
  listOf = type: option (types.listOf type) [ ];
  attrsOf = type: option (types.attrsOf type) { };
  set = options: { inherit options; };
  nullOr = type: option (types.nullOr type) null;
  # systemd.unit settings
  settings = attrsOf (
    types.oneOf [
      types.bool
      types.int
      types.str
      (types.listOf types.str)
    ]
  );
in
{
  nixos.options = {
    assertions = listOf types.raw;
    warnings = listOf types.str;

    boot.loader.grub.enable = option types.bool true;
    boot.loader.systemd-boot.enable = bool;
    boot.kernelModules = listOf types.str;
    boot.kernel.sysctl = attrsOf types.raw;
    boot.extraModprobeConfig = option types.lines "";

    environment.etc = attrsOf (types.submodule (set { source = required types.path; }));

    environment.systemPackages = listOf types.raw;

    fileSystems = attrsOf (
      types.submodule (set {
        device = nullOr types.str;
        fsType = option types.str "auto";
        neededForBoot = bool;
      })
    );

    networking.hostName = option types.str "nixos";
    networking.useNetworkd = bool;
    networking.useDHCP = option types.bool true;
    networking.firewall.enable = option types.bool true;
    networking.firewall.checkReversePath = option types.bool true;
    networking.firewall.allowedTCPPorts = listOf types.int;
    networking.firewall.allowedUDPPorts = listOf types.int;
    networking.bridges = attrsOf types.raw;
    networking.networkmanager.enable = bool;
    networking.networkmanager.unmanaged = listOf types.str;

    nix.enable = option types.bool true;
    nix.settings.experimental-features = listOf types.str;

    system.switch.enable = option types.bool true;
    system.activationScripts = attrsOf types.raw;

    services.openssh.enable = bool;
    services.openssh.hostKeys = option (types.listOf (types.attrsOf types.raw)) [
      {
        type = "rsa";
        bits = 4096;
        path = "/etc/ssh/ssh_host_rsa_key";
      }
      {
        type = "ed25519";
        path = "/etc/ssh/ssh_host_ed25519_key";
      }
    ];
    services.openssh.settings.PasswordAuthentication = option types.bool true;
    services.openssh.settings.KbdInteractiveAuthentication = option types.bool true;
    services.openssh.settings.PermitRootLogin = option (types.enum [
      "yes"
      "prohibit-password"
      "no"
    ]) "prohibit-password";

    system.etc.overlay.enable = bool;
    users.users.root.openssh.authorizedKeys.keys = listOf types.str;
    users.users.root.openssh.authorizedKeys.keyFiles = listOf types.path;
    virtualisation.libvirtd.enable = bool;

    systemd.tmpfiles.rules = listOf types.str;
    systemd.services = attrsOf (
      types.submodule (set {
        description = option types.str "";
        wants = listOf types.str;
        after = listOf types.str;
        before = listOf types.str;
        wantedBy = listOf types.str;
        restartIfChanged = option types.bool true;
        stopIfChanged = option types.bool true;
        script = option types.lines "";
        path = listOf types.raw;
        restartTriggers = listOf types.raw;
        # The real k0s-nix sets these three.
        documentation = listOf types.str;
        startLimitIntervalSec = option types.int 10;
        startLimitBurst = option types.int 5;
        unitConfig = settings;
        serviceConfig = attrsOf (
          types.oneOf [
            types.bool
            types.int
            types.str
            (types.listOf types.str)
          ]
        );
      })
    );

    systemd.network.enable = bool;
    systemd.network.config.networkConfig = settings;
    systemd.network.netdevs = attrsOf (types.submodule (set { netdevConfig = settings; }));
    systemd.network.networks = attrsOf (
      types.submodule (set {
        matchConfig = settings;
        networkConfig = settings;
        linkConfig = settings;
        address = listOf types.str;
        gateway = listOf types.str;
        dns = listOf types.str;
      })
    );
  };

  # Options that mkSite itself and the modules of templates/site set.
  nixpkgs.options = {
    nixpkgs.hostPlatform = required types.str;
    nixpkgs.overlays = listOf types.raw;
    system.stateVersion = required types.str;
    time.timeZone = nullOr types.str;
    boot.loader.efi.canTouchEfiVariables = bool;
    boot.initrd.availableKernelModules = listOf types.str;
  };

  microvm.options.microvm = {
    guest.enable = option types.bool true;
    hypervisor = option types.str "qemu";
    vcpu = option types.ints.positive 1;
    mem = option types.ints.positive 512;
    balloon = bool;
    deflateOnOOM = option types.bool true;
    vsock.cid = nullOr types.int;
    interfaces = listOf (
      types.submodule (set {
        type = required types.str;
        id = required types.str;
        mac = required types.str;
      })
    );
    volumes = listOf (
      types.submodule (set {
        image = required types.str;
        serial = nullOr types.str;
        mountPoint = required (types.nullOr types.path);
        size = required types.int;
        autoCreate = option types.bool true;
      })
    );
    shares = listOf (
      types.submodule (set {
        tag = required types.str;
        source = required types.str;
        mountPoint = required types.path;
        proto = option (types.enum [
          "9p"
          "virtiofs"
        ]) "9p";
        readOnly = bool;
      })
    );
  };

  host.options.microvm = {
    host.enable = option types.bool true;
    host.useNotifySockets = bool;
    stateDir = option types.path "/var/lib/microvms";
  };

  # K0S_NIX=/path/to/k0s-nix takes the real module (tests/nix/evaluate.nix).
  k0s.options.services.k0s = {
    enable = bool;
    package = option types.raw null;
    role = option types.str "single";
    tokenFile = option types.path "/etc/k0s/k0stoken";
    clusterName = option types.str "k0s";
    extraArgs = option types.str "";
    spec.api.address = nullOr types.str;
    spec.api.externalAddress = option types.str "";
    spec.api.sans = listOf types.str;
    spec.network.provider = option types.str "kuberouter";
    spec.network.kubeProxy.disabled = bool;
    spec.network.podCIDR = option types.str "10.244.0.0/16";
    spec.network.serviceCIDR = option types.str "10.96.0.0/12";
    spec.network.nodeLocalLoadBalancing.enabled = bool;
    spec.storage.etcd.peerAddress = option types.str "127.0.0.1";
  };
  # What k0s-nix sets of its unit and configuration, as far as our module changes or reads it.
  k0s.imports = [
    (
      { config, ... }:
      let
        cfg = config.services.k0s;
        hash = builtins.hashString "md5" "${cfg.clusterName} ${builtins.toJSON cfg.spec}";
      in
      {
        environment.etc."k0s/k0s.yaml".source = "/nix/store/${hash}-k0s.yaml";
        systemd.services.k0s = {
          wantedBy = [ "multi-user.target" ];
          unitConfig.ConditionPathExists = cfg.tokenFile;
          serviceConfig = {
            ExecStart = "k0s-nix's own";
            Restart = "always";
            RestartSec = 120;
          };
        };
      }
    )
  ];
}
