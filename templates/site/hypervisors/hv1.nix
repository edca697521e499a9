# The hardware. Replace it by the output of `nixos-generate-config --show-hardware-config` on the
# host.
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

  # The default route uses the bridge. If it uses another card, remove these two lines.
  microvm-bridge.gateway = "192.0.2.1";
  microvm-bridge.nameservers = [ "192.0.2.1" ];
}
