# `nix-shell` for work on this repository itself: the flake brings no nixpkgs of its own.
{
  pkgs ? import <nixpkgs> { },
}:
import ./nixos/lib/mkDevShell.nix pkgs
