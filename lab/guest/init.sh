#!/bin/busybox sh
# shellcheck shell=dash
# The first process of a QEMU guest, like stage 1 of NixOS: loads the drivers, mounts the store that
# the hypervisor shares, and executes the system of the kernel parameter init=.
/bin/busybox --install -s /usr/bin
export PATH=/usr/bin:/usr/sbin:/bin:/sbin

fail() {
  echo "init: $*"
  reboot -f
}

mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev
mkdir -p /dev/pts
mount -t devpts devpts /dev/pts
mount -t tmpfs -o mode=0755 tmpfs /run
while read -r module; do
  insmod "$module" || fail "no $module"
done </modules/order
mount -t virtiofs -o ro ro-store /nix/store || fail "no store"

system=$(sed -n 's/.* init=\([^ ]*\).*/\1/p' /proc/cmdline)
exec "$system" || fail "no $system"
