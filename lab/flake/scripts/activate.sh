#!/bin/sh
# Installs this system's /etc, mounts its volumes and shares, and makes it current. Idempotent.
set -eu
toplevel=$(dirname "$(readlink -f "$0")")
tab=$(printf '\t')
mounts=/run/lab-mounts

# What is to be mounted: a disk or a directory, its type, and the mount point.
wanted() {
  while IFS=$tab read -r label fs_type mount_point; do
    if [ "${mount_point:--}" != - ]; then
      printf '%s\t%s\t%s\n' "/dev/disk/by-label/$label" "$fs_type" "$mount_point"
    fi
  done <"$toplevel/volumes"
  while IFS=$tab read -r tag mount_point; do
    [ -z "$tag" ] || printf '%s\tshare\t%s\n' "/mnt/lab-shares/$tag" "$mount_point"
  done <"$toplevel/shares"
}

# systemd stops the units with RequiresMountsFor= before it stops the mount unit.
stop_users_of() {
  [ -d /run/systemd/system ] || return 0
  systemctl show --property=Id,RequiresMountsFor '*.service' | awk -F= -v mount="$1" '
    $1 == "Id" { unit = $2 }
    $1 == "RequiresMountsFor" {
      count = split($2, paths, " ")
      for (i = 1; i <= count; i++) if (index(paths[i] "/", mount "/") == 1) { print unit; next }
    }' | while read -r unit; do
    # It must not read the lines of this loop.
    systemctl stop "$unit" </dev/null
  done
}

# As systemd's mount units in a switch: what is not wanted any more is unmounted first.
mount_all() {
  wanted >"$mounts.new"
  if [ -e "$mounts" ]; then
    grep -vxFf "$mounts.new" "$mounts" | while IFS=$tab read -r _ _ mount_point; do
      stop_users_of "$mount_point"
      umount "$mount_point"
    done
  fi
  while IFS=$tab read -r source fs_type mount_point; do
    if mountpoint -q "$mount_point"; then continue; fi
    mkdir -p "$mount_point"
    if [ "$fs_type" = share ]; then set -- --bind; else set -- -t "$fs_type"; fi
    if ! mount "$@" "$source" "$mount_point"; then
      echo "cannot mount $source at $mount_point" >&2
      exit 1
    fi
  done <"$mounts.new"
  mv "$mounts.new" "$mounts"
}

# The units that only the previous system has. switch-to-configuration has stopped them.
before=$(readlink -f /run/current-system || true)
for unit in "$before"/etc/systemd/system/*.service; do
  if [ -e "$unit" ] && [ ! -e "$toplevel/etc/systemd/system/${unit##*/}" ]; then
    rm -f "/etc/systemd/system/${unit##*/}" /etc/systemd/system/*.wants/"${unit##*/}"
  fi
done
mount_all
cp -dR --no-preserve=mode,ownership "$toplevel/etc/." /etc/
# Commands in PATH, which NixOS has in /run/current-system/sw/bin.
for program in "$toplevel"/sw/bin/*; do
  if [ -e "$program" ]; then ln -sfn "$program" /usr/local/bin/; fi
done
install -d -m 0700 /root/.ssh
install -m 0600 "$toplevel/authorized_keys" /root/.ssh/authorized_keys
hostname "$(cat "$toplevel/etc/hostname")"
# Records the running system in the /etc share, as nixosModules.microvm-guest does.
if [ -d /etc/pulumi-microvm ]; then
  ln -sfn "$toplevel" /etc/pulumi-microvm/system.new
  mv -T /etc/pulumi-microvm/system.new /etc/pulumi-microvm/system
fi
# In a running system networkd must reload its files.
if [ -d /run/systemd/system ]; then networkctl reload; fi
ln -sfn "$toplevel" /run/current-system
