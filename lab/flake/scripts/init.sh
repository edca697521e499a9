#!/bin/sh
# PID 1 of a guest until systemd starts: mounts its volumes and makes the system current.
set -eu
toplevel=$(dirname "$(readlink -f "$0")")

# The disks are /dev/vda, /dev/vdb, ... in the order of the volumes.
mkdir -p /dev/disk/by-label
letters=abcdefghijklmnopqrstuvwxyz
tab=$(printf '\t')
while IFS=$tab read -r label fs_type mount_point; do
  [ -n "$label" ] || continue
  rest=${letters#?}
  disk=/dev/vd${letters%"$rest"}
  letters=$rest
  ln -sfn "$disk" "/dev/disk/by-label/$label"
  if [ "$mount_point" != - ]; then
    mkdir -p "$mount_point"
    if ! mount -t "$fs_type" "$disk" "$mount_point"; then
      echo "cannot mount volume $label at $mount_point" >&2
      exit 1
    fi
  fi
done <"$toplevel/volumes"

"$toplevel/activate"
ln -sfn "$toplevel" /run/booted-system
exec /lib/systemd/systemd
