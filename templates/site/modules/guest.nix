# For all VMs. vCPUs, memory, volumes, network and keys come from the site file.
{ pkgs, ... }:
{
  environment.systemPackages = [ pkgs.htop ];
}
