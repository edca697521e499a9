# What the tests evaluate, with a stand-in for lib or, with NIXPKGS_LIB set, the real one.
let
  realLib = builtins.getEnv "NIXPKGS_LIB";
in
rec {
  lib = if realLib == "" then import ./standin.nix else import realLib;
  stubs = import ./options.nix { inherit lib; };
  ours = import ../../nixos/modules;
  pkgs = {
    e2fsprogs = "e2fsprogs";
    iproute2 = "iproute2";
  };

  evaluate =
    modules:
    (lib.evalModules {
      modules = [ stubs.nixos ] ++ modules;
      specialArgs = { inherit pkgs; };
    }).config;

  # What a user would read: the messages of failing assertions.
  failing = config: map ({ message, ... }: message) (builtins.filter ({ assertion, ... }: !assertion) config.assertions);

  guest = modules: evaluate ([ stubs.microvm ours.microvm-guest ] ++ modules);
  bridge = modules: evaluate ([ ours.microvm-bridge ] ++ modules);
  virtualization = modules: evaluate ([ stubs.host ours.virtualization ] ++ modules);
  k0sNode =
    modules:
    evaluate (
      [
        stubs.k0s
        ours.k0s-node
      ]
      ++ modules
    );

  parts = {
    inherit (stubs) microvm host k0s;
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

  # Every machine and every hypervisor of a site, evaluated by itself.
  systems =
    site: modules:
    builtins.mapAttrs (_: builtins.mapAttrs (_: { modules }: evaluate modules)) (plan site modules);

  # A system as nixosSystem answers it, from derivations that are just names.
  drv = name: version: {
    inherit version;
    pname = name;
    name = "${name}-${version}";
    type = "derivation";
    drvPath = "/nix/store/${builtins.hashString "md5" name}-${name}-${version}.drv";
    outPath = "/nix/store/${builtins.hashString "md5" "${name}-${version}"}-${name}-${version}";
  };

  # Stands for `nixpkgs`, `microvm` and `k0s-nix`. The runner is a hash of all that microvm.nix's would be made of.
  inputs = {
    nixpkgs.lib = lib // {
      nixosSystem =
        { modules, specialArgs }:
        let
          config = evaluate (modules ++ [ { options.nixpkgs = {
            hostPlatform = lib.mkOption { type = lib.types.str; };
            overlays = lib.mkOption { type = lib.types.listOf lib.types.raw; default = [ ]; };
          }; } ]);
          toplevel = drv "nixos-system-${config.networking.hostName}" (builtins.substring 0 8 (builtins.hashString "sha256" (builtins.toJSON { inherit (config) fileSystems users services systemd; })));
          kernelParams = [ "console=ttyS0" "init=${toplevel.outPath}/init" "regInfo=${toplevel.outPath}/registration" ];
          microvmConfig = (config.microvm or { }) // { inherit kernelParams; };
        in
        {
          pkgs.closureInfo = { rootPaths }: drv "closure-info" (builtins.hashString "md5" (toString rootPaths));
          config = config // {
            environment.systemPackages = [ (drv "hello" "2.12") (drv "hello" "2.10") (drv "jq" "1.7") (drv "unversioned" "") ];
            boot.kernelPackages.kernel = drv "linux" "6.12.1";
            systemd.package = drv "systemd" "258";
            system.build.toplevel = toplevel;
            services = config.services // { k0s = (config.services.k0s or { enable = false; }) // { package = drv "k0s" "1.35.1"; }; };
            microvm = microvmConfig // {
              qemu.package = drv "qemu" "10.1";
              declaredRunner = inputs.microvm.lib.buildRunner {
                pkgs = { };
                microvmConfig = microvmConfig // { inherit (config.networking) hostName; systemSymlink = true; };
                inherit toplevel;
              };
            };
          };
        };
    };
    microvm.nixosModules = { inherit (stubs) microvm host; };
    microvm.lib.buildRunner =
      { microvmConfig, toplevel, ... }:
      drv "microvm-qemu-${microvmConfig.hostName}" (
        builtins.hashString "sha256" (
          builtins.toJSON {
            inherit (microvmConfig) vcpu mem kernelParams shares volumes interfaces;
            system = if microvmConfig.systemSymlink then toplevel.outPath else null;
          }
        )
      );
    k0s-nix.nixosModules.default = stubs.k0s;
    k0s-nix.overlays.default = { };
  };

  mkSite = import ../../nixos/lib/mkSite.nix;
}
