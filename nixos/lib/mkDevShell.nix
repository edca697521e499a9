# A shell with all tools for working on a site. The caller supplies `pkgs`, because this flake has
# no nixpkgs.
pkgs:
pkgs.mkShell {
  packages = [
    # the program
    pkgs.nodejs
    pkgs.pulumi
    # nixpkgs renamed it in 2025
    (pkgs.pulumiPackages.pulumi-nodejs or pkgs.pulumiPackages.pulumi-language-nodejs)
    pkgs.git
    pkgs.openssh
    # evaluates machines in parallel
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
