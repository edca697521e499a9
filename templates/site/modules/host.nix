# For all hypervisors. The bridge, its card and its address come from the site file.
{
  services.openssh.enable = true;
  services.openssh.settings.PasswordAuthentication = false;

  # `pulumi up` logs in to the hypervisors as root.
  users.users.root.openssh.authorizedKeys.keys = [
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIK1BP2FxcZgl/MDbgbNVrmHOgZKU28m9OepzjxrxIP6q alice"
  ];
}
