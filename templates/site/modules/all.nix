# VMs and hypervisors.
{
  # The release with which this site began. Not to be raised: see NixOS's manual.
  system.stateVersion = "26.05";
  time.timeZone = "UTC";
}
