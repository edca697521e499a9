# The functions that the tests evaluate. They use a stand-in for lib, or the real lib if NIXPKGS_LIB
# is set. With it, K0S_NIX names a k0s-nix whose real module replaces the stand-in.
let
  realLib = builtins.getEnv "NIXPKGS_LIB";
  realK0s = builtins.getEnv "K0S_NIX";
in
rec {
  lib = if realLib == "" then import ./standin.nix else import realLib;
  stubs = import ./options.nix { inherit lib; };
  ours = import ../../nixos/modules;
  pkgs = {
    e2fsprogs = "e2fsprogs";
    iproute2 = "iproute2";
    netcat = "netcat";
    gzip = "gzip";
    k0s_1_36 = drv "k0s" "1.36.3+k0s.2";
    # for the real k0s-nix
    kmod = "kmod";
    util-linux = "util-linux";
    mount = "mount";
    k0s = drv "k0s" "1.35.5+k0s.0";
    formats.yaml = _: {
      generate = name: value: "/nix/store/${hash value}-${name}";
    };
    # for templates/site
    htop = "htop";
  };

  evaluate =
    modules:
    (lib.evalModules {
      modules = [ stubs.nixos ] ++ modules;
      specialArgs = { inherit pkgs; };
    }).config;

  # The messages of the failing assertions, as a user sees them.
  failing =
    config:
    map ({ message, ... }: message) (
      builtins.filter ({ assertion, ... }: !assertion) config.assertions
    );

  guest = modules: evaluate ([ stubs.microvm ours.microvm-guest ] ++ modules);
  bridge = modules: evaluate ([ ours.microvm-bridge ] ++ modules);
  virtualization = modules: evaluate ([ stubs.host ours.virtualization ] ++ modules);
  k0sNode =
    modules:
    evaluate (
      [
        k0sModule
        ours.k0s-node
      ]
      ++ modules
    );
  k0sModule =
    if realK0s == "" then
      stubs.k0s
    else
      {
        imports = [ (realK0s + "/nixos/k0s.nix") ];
        # The users of the control plane, which it sets.
        options.users.users = genAttrs [
          "etcd"
          "kube-apiserver"
          "kube-scheduler"
          "konnectivity-server"
        ] (_: lib.mkOption { type = lib.types.raw; });
      };

  parts = {
    inherit (stubs) microvm host;
    k0s = k0sModule;
    guest = ours.microvm-guest;
    bridge = ours.microvm-bridge;
    inherit (ours) virtualization k0s-node;
  };

  plan =
    site: modules:
    import ../../nixos/lib/site.nix {
      inherit
        lib
        parts
        site
        modules
        ;
    };

  # The machines and hypervisors of a site, each evaluated independently.
  systems =
    site: modules:
    builtins.mapAttrs (_: builtins.mapAttrs (_: { modules }: evaluate modules)) (plan site modules);

  # A derivation that consists only of names.
  drv = name: version: {
    inherit version;
    pname = name;
    name = "${name}-${version}";
    type = "derivation";
    drvPath = "/nix/store/${builtins.hashString "md5" "${name}-${version}"}-${name}-${version}.drv";
    outPath = "/nix/store/${builtins.hashString "sha256" "${name}-${version}"}-${name}-${version}";
  };
  hash = value: builtins.substring 0 12 (builtins.hashString "sha256" (builtins.toJSON value));

  # Stand-ins for the flake inputs nixpkgs, microvm and k0s-nix. A system is a hash of the options
  # that determine it. A runner is a hash of the inputs of microvm.nix's runner.
  inputs = {
    nixpkgs.lib = lib // {
      nixosSystem =
        { modules, specialArgs }:
        let
          config = evaluate (modules ++ [ stubs.nixpkgs ]);
          toplevel = drv "nixos-system-${config.networking.hostName}" (hash {
            inherit (config)
              boot
              fileSystems
              networking
              systemd
              users
              ;
            # The real k0s-nix has an option that cannot be read.
            services = builtins.removeAttrs config.services [ "k0s" ];
            k0s = config.services.k0s.spec or null;
          });
        in
        {
          pkgs.closureInfo =
            { rootPaths }: drv "closure-info" (hash (map (path: path.outPath) rootPaths));
          config = config // {
            boot = config.boot // {
              kernelPackages.kernel = drv "linux" "6.12.1";
            };
            environment = config.environment // {
              systemPackages = [
                (drv "hello" "2.12")
                (drv "hello" "2.10")
                (drv "hello" "2.12")
                (drv "script" "")
              ];
            };
            systemd = config.systemd // {
              package = drv "systemd" "258";
              # As NixOS makes the text of a unit.
              units."k0s.service".text = builtins.toJSON config.systemd.services.k0s;
            };
            system = config.system // {
              build.toplevel = toplevel;
              build.initialRamdisk = drv "initrd" (hash config.boot.kernelModules);
              modulesTree = drv "kernel-modules" "6.12.1";
            };
            microvm = (config.microvm or { }) // rec {
              kernelParams = [
                "console=ttyS0"
                "regInfo=${toplevel.outPath}/registration"
                "init=${toplevel.outPath}/init"
              ];
              qemu.package = drv "qemu" "10.1";
              declaredRunner = inputs.microvm.lib.buildRunner {
                pkgs = { };
                inherit toplevel;
                microvmConfig = config.microvm // {
                  inherit kernelParams;
                  inherit (config.networking) hostName;
                  systemSymlink = true;
                };
              };
            };
          };
        };
    };
    microvm.nixosModules = {
      inherit (stubs) microvm host;
    };
    microvm.lib.buildRunner =
      {
        pkgs,
        microvmConfig,
        toplevel,
      }:
      drv "microvm-qemu-${microvmConfig.hostName}" (hash {
        inherit (microvmConfig)
          vcpu
          mem
          kernelParams
          shares
          volumes
          interfaces
          ;
        system = if microvmConfig.systemSymlink then toplevel.outPath else null;
      });
    k0s-nix.nixosModules.default = k0sModule;
    k0s-nix.overlays.default = { };
  };

  mkSite = import ../../nixos/lib/mkSite.nix;

  genAttrs =
    names: make:
    builtins.listToAttrs (
      map (name: {
        inherit name;
        value = make name;
      }) names
    );

  # The outputs of the flake of templates/site with these inputs.
  template =
    directory:
    (import ../../templates/site/flake.nix).outputs {
      inherit (inputs) microvm k0s-nix;
      nixpkgs = inputs.nixpkgs // {
        lib = inputs.nixpkgs.lib // {
          inherit genAttrs;
        };
        legacyPackages =
          genAttrs [ "x86_64-linux" "aarch64-linux" "aarch64-darwin" ] (_: shellPackages);
      };
      pulumi-microvm = (import ../../flake.nix).outputs { };
      site = directory;
    };

  shellPackages = builtins.listToAttrs (
    map (name: { inherit name; value = name; }) [
      "nodejs"
      "pulumi"
      "git"
      "openssh"
      "kubectl"
      "nix-eval-jobs"
      "kubernetes-helm"
      "fluxcd"
      "cilium-cli"
      "age"
      "sops"
      "jq"
      "shellcheck"
    ]
  ) // {
    pulumiPackages.pulumi-nodejs = "pulumi-nodejs";
    mkShell = arguments: arguments;
  };
}
