# The machine itself: replace it by what `nixos-generate-config --show-hardware-config` prints there.
{
  boot.loader.systemd-boot.enable = true;
  boot.loader.efi.canTouchEfiVariables = true;
  boot.initrd.availableKernelModules = [
    "ahci"
    "nvme"
    "xhci_pci"
  ];

  fileSystems."/" = {
    device = "/dev/disk/by-label/nixos";
    fsType = "ext4";
  };
  fileSystems."/boot" = {
    device = "/dev/disk/by-label/boot";
    fsType = "vfat";
  };

  # The default route leaves through the bridge here. Where it does not, take this away.
  microvm-bridge.gateway = "192.0.2.1";
  microvm-bridge.nameservers = [ "192.0.2.1" ];
}
