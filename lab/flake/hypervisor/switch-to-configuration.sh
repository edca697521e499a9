#!/bin/sh
# Imitates NixOS's switch-to-configuration for hypervisors and guests that run Debian: the actions,
# the lock, the order of steps, and the exit codes. Tests use the file `fault` to make it fail. Not
# covered: pre-switch checks, reloads, sockets, mounts, swap, user units, and the continuation of an
# interrupted switch.
set -eu
toplevel=$(dirname "$(dirname "$(readlink -f "$0")")")
before=$(readlink -f /run/current-system || true)
action=${1:-}
code=0

case $action in
  switch | boot | test | dry-activate) ;;
  *)
    echo "usage: switch-to-configuration switch|boot|test|dry-activate" >&2
    exit 1
    ;;
esac

mkdir -p /run/nixos
exec 8>>/run/nixos/switch-to-configuration.lock
if ! flock -n 8; then
  echo "Could not acquire lock" >&2
  exit 11
fi

case $action in
  switch | boot)
    # A guest has no boot loader: its hypervisor loads the kernel.
    if [ -e "$toplevel/install-boot-loader" ]; then
      "$toplevel/install-boot-loader" "$toplevel" || exit 1
    fi
    ;;
esac
if [ "$action" = boot ]; then exit 0; fi

init_interface() {
  cat "$1/init-interface-version" 2>/dev/null
}
if [ "$(init_interface "$before")" != "$(init_interface "$toplevel")" ]; then
  echo "Warning: the new configuration has an init that is incompatible with the current one" >&2
  exit 100
fi

if [ "$action" = dry-activate ]; then
  echo "would activate $toplevel"
  exit 0
fi

changed=
for unit in "$toplevel"/etc/systemd/system/*.service; do
  cmp -s "$unit" "$before/etc/systemd/system/${unit##*/}" || changed="$changed ${unit##*/}"
done
for unit in "$before"/etc/systemd/system/*.service; do
  if [ -e "$unit" ] && [ ! -e "$toplevel/etc/systemd/system/${unit##*/}" ] &&
    ! grep -qx 'X-StopOnRemoval=false' "$unit"; then
    echo "stopping ${unit##*/}"
    systemctl stop "${unit##*/}" || code=4
  fi
done

if [ -e "$toplevel/fault" ] && ! sh "$toplevel/fault"; then
  echo "Activation failed" >&2
  exit 2
fi
echo "activating the configuration..."
"$toplevel/activate" || code=2
systemctl reset-failed
systemctl daemon-reload || code=3
for unit in $changed; do
  echo "restarting $unit"
  systemctl restart "$unit" || code=4
done
failed=$(systemctl list-units --failed --plain --no-legend | cut -d ' ' -f 1 | tr '\n' ' ')
if [ -n "$failed" ]; then
  echo "warning: the following units failed: $failed" >&2
  code=4
fi
exit "$code"
