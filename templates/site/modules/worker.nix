# For VMs with the role worker or controller+worker.
{
  # Pods open many files and watch many directories.
  boot.kernel.sysctl."fs.inotify.max_user_instances" = 8192;
}
