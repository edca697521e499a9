#!/bin/bash
# Builds a guest's system from the variables of the derivation: ./etc, ./init, ./activate, ./bin.
# shellcheck disable=SC2154 # the variables are the derivation's attributes
set -eu

mkdir -p "$out/bin" "$out/etc/systemd/network" "$out/etc/systemd/system"
cp -R "$etc/." "$out/etc/"
chmod -R u+w "$out/etc"
cp "$scripts/$init" "$out/init"
cp "$scripts/activate.sh" "$out/activate"
cp "$switch" "$out/bin/switch-to-configuration"
chmod 0755 "$out/init" "$out/activate" "$out/bin/switch-to-configuration"

printf '%s\n' "$machine" >"$out/machine.json"
printf '%s\n' "$packages" >"$out/packages"
printf 'set -eu\n%s\n' "$fault" >"$out/fault"
printf '%s\n' "$volumes" >"$out/volumes"
printf '%s\n' "$shares" >"$out/shares"
printf '%s\n' "$hostName" >"$out/etc/hostname"
printf '127.0.0.1 localhost %s\n' "$hostName" >"$out/etc/hosts"
printf '%s\n' "$operatorKeys" >"$out/authorized_keys"
printf '%s\t%s\n' "$address" "${gateway:--}" >"$out/network"

for server in $nameservers; do
  printf 'nameserver %s\n' "$server"
done >"$out/etc/resolv.conf"

# The name must sort before systemd's 80-container-host0.network.
{
  printf '[Match]\nName=host0\n\n[Link]\nMACAddress=%s\n\n' "$mac"
  printf '[Network]\nAddress=%s\nLinkLocalAddressing=no\n' "$address"
  if [ -n "$gateway" ]; then
    printf 'Gateway=%s\n' "$gateway"
  fi
} >"$out/etc/systemd/network/10-host0.network"

# The guest's root file system is that of a hypervisor. Masking its services makes SSH start sooner.
for unit in libvirtd.service libvirtd.socket libvirtd-ro.socket libvirtd-admin.socket \
  virtlockd.socket virtlockd-admin.socket virtlogd.socket virtlogd-admin.socket \
  libvirt-guests.service machines.target systemd-logind.service console-getty.service \
  getty@tty1.service systemd-udevd.service systemd-udev-trigger.service apt-daily.timer \
  apt-daily-upgrade.timer e2scrub_all.timer e2scrub_reap.service fstrim.timer \
  dpkg-db-backup.timer logrotate.timer systemd-pstore.service remote-fs.target; do
  ln -s /dev/null "$out/etc/systemd/system/$unit"
done
mkdir -p "$out/etc/systemd/system/multi-user.target.wants"

# A service that changes with the packages of the guest.
{
  printf '[Unit]\nDescription=What the guest runs: %s\n\n' "${packages//$'\n'/, }"
  printf '[Service]\nExecStart=/bin/sleep infinity\n'
} >"$out/etc/systemd/system/lab-app.service"
ln -s ../lab-app.service "$out/etc/systemd/system/multi-user.target.wants/lab-app.service"
ln -s /lib/systemd/system/systemd-networkd.service \
  "$out/etc/systemd/system/multi-user.target.wants/systemd-networkd.service"

# A member of the cluster: see k0s.nix.
if [ -n "${k0sPackage:-}" ]; then
  mkdir -p "$out/sw/bin" "$out/etc/k0s"
  ln -s "$k0sPackage/bin/k0s" "$out/sw/bin/k0s"
  if [ -n "$k0sConfiguration" ]; then
    printf '%s\n' "$k0sConfiguration" >"$out/etc/k0s/k0s.yaml"
    cp "$scripts/k0s/audit.yaml" "$out/etc/k0s/audit.yaml"
  fi
  printf '%s\n' "$k0sUnit" >"$out/etc/systemd/system/k0s.service"
  ln -s ../k0s.service "$out/etc/systemd/system/multi-user.target.wants/k0s.service"
fi
