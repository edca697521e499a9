# A site. stacks/prod.yaml describes which VM runs on which hypervisor. This flake describes their
# systems.
{
  description = "Our Kubernetes on microVMs";

  inputs = {
    nixpkgs.url = "github:NixOS/nixpkgs/nixos-26.05";

    microvm.url = "github:microvm-nix/microvm.nix";
    microvm.inputs.nixpkgs.follows = "nixpkgs";

    k0s-nix.url = "github:nix-community/k0s-nix";
    k0s-nix.inputs.nixpkgs.follows = "nixpkgs";

    # Replace the location by that of pulumi-microvm. The tag is that of the npm package.
    pulumi-microvm.url = "git+https://git.example.org/platform/pulumi-microvm?ref=refs/tags/v0.1.0";

    # Each preview overrides this input with the stack's site file. The copy here is the fallback
    # for evaluations without Pulumi.
    site.url = "path:./site";
    site.flake = false;
  };

  outputs =
    {
      nixpkgs,
      microvm,
      k0s-nix,
      pulumi-microvm,
      site,
      ...
    }:
    let
      systems = pulumi-microvm.lib.mkSite {
        inherit
          nixpkgs
          microvm
          k0s-nix
          site
          ;
        modules = {
          all = ./modules/all.nix;
          guests = ./modules/guest.nix;
          hosts = ./modules/host.nix;
          roles.worker = ./modules/worker.nix;

          # A hypervisor is built only if it has an entry with its hardware here.
          hypervisors.hv1 = ./hypervisors/hv1.nix;
        };
      };
    in
    {
      inherit (systems) nixosConfigurations pulumiMicrovm;

      devShells =
        nixpkgs.lib.genAttrs
          [
            "x86_64-linux"
            "aarch64-linux"
            "aarch64-darwin"
          ]
          (platform: {
            default = pulumi-microvm.lib.mkDevShell nixpkgs.legacyPackages.${platform};
          });
    };
}
