# Modules and a library for a repository that describes a site. It has no inputs on purpose: nixpkgs, microvm.nix
# and k0s-nix are the consuming repository's, which pins and updates them (docs/decisions/0004).
{
  description = "Kubernetes on bare metal as microVMs: NixOS modules and lib.mkSite for pulumi-microvm";

  outputs = _: {
    # As sets: `nix flake check` of older versions takes no paths. Imported twice they still count once.
    nixosModules = builtins.mapAttrs (_: path: { imports = [ path ]; }) (import ./nixos/modules);

    lib = {
      mkSite = import ./nixos/lib/mkSite.nix;
      mkDevShell = import ./nixos/lib/mkDevShell.nix;
    };

    templates.default = {
      path = ./templates/site;
      description = "A site: hypervisors and VMs for pulumi-microvm";
    };
  };
}
