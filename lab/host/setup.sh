#!/bin/sh
# Turns a fresh Debian root into a hypervisor. Runs once per host, with chroot.
set -eu

mask() {
  for unit in "$@"; do
    ln -sfn /dev/null "/etc/systemd/system/$unit"
  done
}

chmod 0700 /root/.ssh
chmod 0600 /root/.ssh/authorized_keys /etc/ssh/ssh_host_ed25519_key

id microvm >/dev/null 2>&1 ||
  useradd --system --gid kvm --no-create-home --home-dir /var/lib/microvms \
    --shell /usr/sbin/nologin microvm
install -d -o microvm -g kvm -m 0775 /var/lib/microvms
install -d -m 0755 /var/lib/pulumi-microvm/autostart /nix/store /var/log/journal

# Units that make no sense in a container, or wait for a network that does not exist.
mask apt-daily.timer apt-daily-upgrade.timer e2scrub_all.timer e2scrub_reap.service fstrim.timer \
  dpkg-db-backup.timer systemd-networkd-wait-online.service libvirt-guests.service \
  console-getty.service getty@tty1.service systemd-udevd.service systemd-udev-trigger.service

systemctl enable systemd-networkd.service libvirtd.service ssh.service \
  pulumi-microvm-autostart.service

# Loop devices for the guests' disks. Nodes of devices that do not exist yet are harmless.
for number in $(seq 0 63); do
  printf 'b /dev/loop%s 0660 root disk - 7:%s\n' "$number" "$number"
done >/etc/tmpfiles.d/lab-loop.conf

# The host's first generation: built as lab/flake builds the others, and added to the store here.
build=/usr/local/lib/pulumi-microvm-lab/hypervisor
first=/tmp/lab-hypervisor-$(cat /etc/hostname)
export HOME=/root
start=$(nix-store --add "$build/start.sh")
kernel=$(nix-store --add "$build/kernel")
files=$build start=$start kernel=$kernel out=$first bash "$build/build.sh"
system=$(nix-store --add "$first")
rm -rf "$first" "$build"
nix-env --profile /nix/var/nix/profiles/system --set "$system"
"$system/install-boot-loader" "$system"
