#!/bin/sh
# Puts this system's /etc in place and makes it the current one. Idempotent.
set -eu
toplevel=$(dirname "$(readlink -f "$0")")

cp -dR --no-preserve=mode,ownership "$toplevel/etc/." /etc/
install -d -m 0700 /root/.ssh
install -m 0600 "$toplevel/authorized_keys" /root/.ssh/authorized_keys
hostname "$(cat "$toplevel/etc/hostname")"
ln -sfn "$toplevel" /run/current-system
