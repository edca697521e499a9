#!/bin/bash
# Runs one virtiofsd per share, and notifies systemd when all listen. microvm.nix uses supervisord.
set -eu
share=$(dirname "$(dirname "$(readlink -f "$0")")")/share/microvm
for directory in "$share"/virtiofs/*/; do
  socket=$(cat "${directory}socket")
  rm -f "$socket"
  # virtiofsd ends with its guest. The loop restarts it for the next guest.
  while /usr/lib/qemu/virtiofsd --socket-path="$socket" --socket-group=kvm \
    -o "source=$(cat "${directory}source")" -o sandbox=chroot -o cache=auto -o xattr; do :; done &
done
for directory in "$share"/virtiofs/*/; do
  until [ -S "$(cat "${directory}socket")" ]; do sleep 0.05; done
done
systemd-notify --ready
wait
