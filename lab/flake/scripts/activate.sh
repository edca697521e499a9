#!/bin/sh
# Installs this system's /etc and makes the system current. Idempotent.
set -eu
toplevel=$(dirname "$(readlink -f "$0")")

cp -dR --no-preserve=mode,ownership "$toplevel/etc/." /etc/
install -d -m 0700 /root/.ssh
install -m 0600 "$toplevel/authorized_keys" /root/.ssh/authorized_keys
hostname "$(cat "$toplevel/etc/hostname")"
# Records the running system in the /etc share, as nixosModules.microvm-guest does.
if [ -d /etc/pulumi-microvm ]; then
  ln -sfn "$toplevel" /etc/pulumi-microvm/system.new
  mv -T /etc/pulumi-microvm/system.new /etc/pulumi-microvm/system
fi
# In a running system networkd must reload its files.
if [ -d /run/systemd/system ]; then networkctl reload; fi
ln -sfn "$toplevel" /run/current-system
