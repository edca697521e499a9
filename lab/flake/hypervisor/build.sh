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

# As nixos/modules/virtualization.nix has it.
cat >"$out/etc/systemd/system/pulumi-microvm-boot-trial.service" <<UNIT
[Unit]
Description=Go back to the system before, unless this boot is confirmed
DefaultDependencies=no
IgnoreOnIsolate=yes
RequiresMountsFor=/var/lib/pulumi-microvm

[Service]
ExecStart=/bin/sh /usr/local/lib/pulumi-microvm-lab/boot-trial
SyslogIdentifier=pulumi-microvm
UNIT
mkdir "$out/etc/systemd/system/sysinit.target.wants"
ln -s ../pulumi-microvm-boot-trial.service "$out/etc/systemd/system/sysinit.target.wants/pulumi-microvm-boot-trial.service"

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
