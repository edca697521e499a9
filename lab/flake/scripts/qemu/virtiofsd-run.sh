#!/bin/bash
# One virtiofsd for each share, and word to systemd when all listen; microvm.nix has supervisord for it.
set -eu
share=$(dirname "$(dirname "$(readlink -f "$0")")")/share/microvm
for directory in "$share"/virtiofs/*/; do
  socket=$(cat "${directory}socket")
  rm -f "$socket"
  # It ends when its guest does, and the next guest wants it again.
  while /usr/lib/qemu/virtiofsd --socket-path="$socket" --socket-group=kvm \
    -o "source=$(cat "${directory}source")" -o sandbox=chroot -o cache=auto -o xattr; do :; done &
done
for directory in "$share"/virtiofs/*/; do
  until [ -S "$(cat "${directory}socket")" ]; do sleep 0.05; done
done
systemd-notify --ready
wait
