#!/bin/bash
# Builds a hypervisor's system from the variables of the derivation. It has the layout of NixOS's
# toplevel: ./init, ./activate, ./etc, ./bin/switch-to-configuration, ./init-interface-version, and
# links to the parts whose change requires a reboot.
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

# As in nixos/modules/virtualization.nix.
cat >"$out/etc/systemd/system/pulumi-microvm-boot-trial.service" <<UNIT
[Unit]
Description=Reboot into the previous system, unless this boot is confirmed
DefaultDependencies=no
IgnoreOnIsolate=yes
RequiresMountsFor=/var/lib/pulumi-microvm

[Service]
ExecStart=/bin/sh /usr/local/lib/pulumi-microvm-lab/boot-trial
SyslogIdentifier=pulumi-microvm
UNIT
mkdir "$out/etc/systemd/system/sysinit.target.wants"
ln -s ../pulumi-microvm-boot-trial.service "$out/etc/systemd/system/sysinit.target.wants/"

# The unit contains the path of the start script, so it changes when the script changes.
cat >"$out/etc/systemd/system/lab-system.service" <<UNIT
[Unit]
Description=Start script of this system
After=systemd-networkd.service
Before=ssh.service

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/bin/sh $start
UNIT
ln -s ../lab-system.service "$out/etc/systemd/system/multi-user.target.wants/"
