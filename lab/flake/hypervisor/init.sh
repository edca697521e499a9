#!/bin/sh
# PID 1 until systemd takes over, as NixOS's stage 2: makes this system the booted and the current one.
set -eu
toplevel=$(dirname "$(readlink -f "$0")")

"$toplevel/activate"
ln -sfn "$toplevel" /run/booted-system
exec /lib/systemd/systemd
