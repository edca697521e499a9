# A shell with every tool that working on a site takes. `pkgs` is the user's: this flake has no nixpkgs.
pkgs:
pkgs.mkShell {
  packages = [
    # the program
    pkgs.nodejs
    pkgs.pulumi
    # renamed in nixpkgs in 2025
    (pkgs.pulumiPackages.pulumi-nodejs or pkgs.pulumiPackages.pulumi-language-nodejs)
    pkgs.git
    pkgs.openssh
    # evaluates machines side by side
    pkgs.nix-eval-jobs
    # the cluster
    pkgs.kubectl
    pkgs.kubernetes-helm
    pkgs.fluxcd
    pkgs.cilium-cli
    # secrets
    pkgs.age
    pkgs.sops
    # the checks
    pkgs.jq
    pkgs.shellcheck
  ];
}
