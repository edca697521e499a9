#!/bin/bash
# Builds a hypervisor's system from the derivation's variables, in the shape of NixOS's toplevel: ./init, ./activate,
# ./etc, ./bin/switch-to-configuration, ./init-interface-version, and links to what takes a reboot.
# shellcheck disable=SC2154 # the variables are the derivation's attributes
set -eu

mkdir -p "$out/bin" "$out/etc/systemd/system/multi-user.target.wants"
cp "$files/switch-to-configuration.sh" "$out/bin/switch-to-configuration"
for name in init activate install-boot-loader; do
  cp "$files/$name.sh" "$out/$name"
  chmod 0755 "$out/$name"
done
chmod 0755 "$out/bin/switch-to-configuration"

for part in kernel initrd kernel-modules; do ln -s "$kernel" "$out/$part"; done
cp "$files/init-interface-version" "$out/init-interface-version"

# The unit changes with what it starts.
cat >"$out/etc/systemd/system/lab-system.service" <<UNIT
[Unit]
Description=What this system of the lab starts
After=systemd-networkd.service

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/bin/sh $start
UNIT
ln -s ../lab-system.service "$out/etc/systemd/system/multi-user.target.wants/lab-system.service"
