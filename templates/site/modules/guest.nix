# For all VMs. vCPUs, memory, volumes, network and keys come from site.yaml.
{ pkgs, ... }:
{
  environment.systemPackages = [ pkgs.htop ];
}
