#!/bin/sh
# By the contract of NixOS's switch-to-configuration: one at a time by its lock; `switch` and `test` activate
# the system and restart the services that changed; `boot` leaves that to the next start. Ends with 1 when it
# could not begin, 2 when the activation failed, 4 when units failed. Leaves out: the boot loader, reloads,
# users, mounts, units that are new or gone.
set -eu
toplevel=$(dirname "$(dirname "$(readlink -f "$0")")")

take_lock() {
  mkdir -p /run/nixos
  exec 9>/run/nixos/switch-to-configuration.lock
  flock -n 9 || {
    echo "Could not acquire lock" >&2
    exit 1
  }
}

changed_services() {
  for unit in "$toplevel"/etc/systemd/system/*.service; do
    [ -f "$unit" ] || continue
    cmp -s "$unit" "$1/etc/systemd/system/${unit##*/}" || echo "${unit##*/}"
  done
}

switch() {
  changed=$(changed_services "$(readlink -f /run/current-system)")
  if ! sh "$toplevel/fault" || ! "$toplevel/activate"; then
    echo "Activation failed" >&2
    exit 2
  fi
  systemctl daemon-reload
  networkctl reload
  code=0
  for unit in $changed; do
    echo "restarting $unit"
    systemctl restart "$unit" || code=4
  done
  exit "$code"
}

case ${1:-} in
  switch | test)
    take_lock
    switch
    ;;
  boot) take_lock ;;
  dry-activate) echo "would activate $toplevel" ;;
  *)
    echo "usage: switch-to-configuration switch|boot|test|dry-activate" >&2
    exit 1
    ;;
esac
