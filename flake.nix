# Modules and a library for a repository that describes a site. The flake has no inputs on purpose:
# the user's repository pins nixpkgs, microvm.nix and k0s-nix (docs/decisions/0004).
{
  description =
    "Kubernetes on bare metal as microVMs: NixOS modules and lib.mkSite for pulumi-microvm";

  outputs = _: {
    # Attribute sets, because `nix flake check` of older Nix versions rejects paths. A module that
    # is imported twice still counts once.
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
