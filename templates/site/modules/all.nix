# For VMs and hypervisors.
{
  # The NixOS release that this site started with. Do not change it: see the NixOS manual.
  system.stateVersion = "26.05";
  time.timeZone = "UTC";
}
