#!/bin/sh
# PID 1 of a guest until systemd starts: finds its disks and makes the system current.
set -eu
toplevel=$(dirname "$(readlink -f "$0")")

# The disks are /dev/vda, /dev/vdb, ... in the order of the volumes.
mkdir -p /dev/disk/by-label
letters=abcdefghijklmnopqrstuvwxyz
tab=$(printf '\t')
while IFS=$tab read -r label _; do
  [ -n "$label" ] || continue
  rest=${letters#?}
  disk=/dev/vd${letters%"$rest"}
  letters=$rest
  ln -sfn "$disk" "/dev/disk/by-label/$label"
done <"$toplevel/volumes"

"$toplevel/activate"
ln -sfn "$toplevel" /run/booted-system
exec /lib/systemd/systemd
