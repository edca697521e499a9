# The modules of this repository, by the names that the flake exports.
{
  microvm-guest = ./microvm/guest.nix;
  microvm-bridge = ./microvm/bridge.nix;
  virtualization = ./virtualization.nix;
  k0s-node = ./k0s-node.nix;
}
