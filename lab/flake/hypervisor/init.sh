#!/bin/sh
# PID 1 until systemd starts, like stage 2 of NixOS: makes this system the booted and current one.
set -eu
toplevel=$(dirname "$(readlink -f "$0")")

"$toplevel/activate"
ln -sfn "$toplevel" /run/booted-system
exec /lib/systemd/systemd
