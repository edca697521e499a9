#!/bin/sh
# Puts this system's /etc in place and makes it the current one. Idempotent.
set -eu
toplevel=$(dirname "$(readlink -f "$0")")

cp -dR --no-preserve=mode,ownership "$toplevel/etc/." /etc/
install -d -m 0700 /root/.ssh
install -m 0600 "$toplevel/authorized_keys" /root/.ssh/authorized_keys
hostname "$(cat "$toplevel/etc/hostname")"
# Where the share of /etc is: as nixosModules.microvm-guest does it.
if [ -d /etc/pulumi-microvm ]; then
  ln -sfn "$toplevel" /etc/pulumi-microvm/system.new
  mv -T /etc/pulumi-microvm/system.new /etc/pulumi-microvm/system
fi
# Of a system that runs already, networkd reads its files again.
if [ -d /run/systemd/system ]; then networkctl reload; fi
ln -sfn "$toplevel" /run/current-system
