# Turns a site into the flake outputs `nixosConfigurations` and `pulumiMicrovm`. site.nix holds the
# logic.
#
# nixpkgs, microvm, k0s-nix  the user's flake inputs; k0s-nix is required if a machine has a role
# site                       the flake input `site`, a directory with site.json
# modules                    the user's modules, see docs/nixos.md
# system                     the platform of machines that do not set nixpkgs.hostPlatform
# specialArgs                as in nixosSystem
{
  nixpkgs,
  microvm,
  k0s-nix ? null,
  site,
  modules ? { },
  system ? "x86_64-linux",
  specialArgs ? { },
}:
let
  inherit (nixpkgs) lib;
  ours = import ../modules;

  plan = import ./site.nix {
    inherit lib modules;
    site = builtins.fromJSON (builtins.readFile "${site}/site.json");
    parts = {
      inherit (ours) virtualization k0s-node;
      guest = ours.microvm-guest;
      bridge = ours.microvm-bridge;
      inherit (microvm.nixosModules) microvm host;
      k0s =
        if k0s-nix == null then
          null
        else
          {
            imports = [ k0s-nix.nixosModules.default ];
            nixpkgs.overlays = [ k0s-nix.overlays.default ];
          };
    };
  };

  evaluate =
    _: machine:
    lib.nixosSystem {
      inherit specialArgs;
      # Yields to the mkDefault of a hardware-configuration.nix.
      modules = machine.modules ++ [ { nixpkgs.hostPlatform = lib.mkOverride 1250 system; } ];
    };

  systems = builtins.mapAttrs (_: builtins.mapAttrs evaluate) plan;
  inherit (import ./output.nix { inherit (microvm.lib) buildRunner; }) pulumiMicrovm;
in
{
  nixosConfigurations = systems.hypervisors // systems.machines;
  pulumiMicrovm = pulumiMicrovm systems;
}
