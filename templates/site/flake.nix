# A site: what runs on which hypervisor stands in site.yaml, what the systems are made of stands here.
{
  description = "Our Kubernetes on microVMs";

  inputs = {
    nixpkgs.url = "github:NixOS/nixpkgs/nixos-26.05";

    microvm.url = "github:microvm-nix/microvm.nix";
    microvm.inputs.nixpkgs.follows = "nixpkgs";

    k0s-nix.url = "github:nix-community/k0s-nix";
    k0s-nix.inputs.nixpkgs.follows = "nixpkgs";

    # Where you have pulumi-microvm.
    pulumi-microvm.url = "git+https://git.example.org/platform/pulumi-microvm";

    # pulumi-microvm overrides this by what site.yaml says now. The copy here is the fallback for everybody else.
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

          # The controller that began the cluster. Once it is up, leave it as it is.
          machines.kc1 = {
            k0s-node.isLeader = true;
          };

          # Each hypervisor that is to be built here needs its hardware.
          hypervisors.hv1 = ./hypervisors/hv1.nix;
        };
      };
    in
    {
      inherit (systems) nixosConfigurations pulumiMicrovm;

      devShells = nixpkgs.lib.genAttrs [ "x86_64-linux" "aarch64-linux" "aarch64-darwin" ] (platform: {
        default = pulumi-microvm.lib.mkDevShell nixpkgs.legacyPackages.${platform};
      });
    };
}
