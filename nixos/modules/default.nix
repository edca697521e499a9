# Our modules by the names that the flake gives them.
{
  microvm-guest = ./microvm/guest.nix;
  microvm-bridge = ./microvm/bridge.nix;
  virtualization = ./virtualization.nix;
  k0s-node = ./k0s-node.nix;
}
