# `nix-shell` for work on this repository itself. It uses <nixpkgs>, because the flake has no
# inputs.
{
  pkgs ? import <nixpkgs> { },
}:
import ./nixos/lib/mkDevShell.nix pkgs
