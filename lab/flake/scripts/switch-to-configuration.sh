#!/bin/sh
# As in NixOS: `switch` and `test` activate the system now, `boot` leaves that to the next start.
set -eu
toplevel=$(dirname "$(dirname "$(readlink -f "$0")")")

case ${1:-} in
  switch | test)
    "$toplevel/activate"
    systemctl daemon-reload
    networkctl reload
    ;;
  boot) ;;
  dry-activate) echo "would activate $toplevel" ;;
  *)
    echo "usage: switch-to-configuration switch|boot|test|dry-activate" >&2
    exit 1
    ;;
esac
