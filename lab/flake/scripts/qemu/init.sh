#!/bin/busybox sh
# shellcheck shell=dash
# PID 1 of a QEMU guest after lab/guest/init.sh. Replaces stage 2 and systemd of NixOS: sets up the
# network, mounts volumes, and runs sshd with the key from the /etc share. Ctrl+Alt+Delete ends it.
system=${0%/*}
tab=$(printf '\t')

set_up_network() {
  while IFS=$tab read -r address gateway; do
    ip link set lo up
    ip addr add "$address" dev eth0
    ip link set eth0 up
    [ "$gateway" = - ] || ip route add default via "$gateway"
  done <"$system/network"
}

# Mounts by label, as NixOS does. Creates the links itself, because there is no udev.
mount_volumes() {
  mkdir -p /dev/disk/by-label
  while IFS=$tab read -r label fs_type mount_point; do
    [ -n "$label" ] || continue
    device=$(blkid -L "$label") || continue
    ln -sfn "$device" "/dev/disk/by-label/$label"
    [ "$mount_point" = - ] && continue
    mkdir -p "$mount_point"
    mount -t "$fs_type" "$device" "$mount_point" || echo "cannot mount $label at $mount_point"
  done <"$system/volumes"
}

start_sshd() {
  mkdir -p /run/etc /run/sshd /root/.ssh
  mount -t virtiofs -o ro etc /run/etc || echo "no /etc share"
  echo 'root:x:0:0:root:/root:/bin/sh' >/etc/passwd
  echo 'sshd:x:100:65534::/run/sshd:/usr/sbin/nologin' >>/etc/passwd
  echo 'root:*:19000::::::' >/etc/shadow
  echo 'root:x:0:' >/etc/group
  chmod 0700 /root /root/.ssh
  cp "$system/authorized_keys" /root/.ssh/authorized_keys
  chmod 0600 /root/.ssh/authorized_keys
  /usr/sbin/sshd -o HostKey=/run/etc/ssh/ssh_host_ed25519_key -o PermitRootLogin=prohibit-password \
    -o PasswordAuthentication=no -o KbdInteractiveAuthentication=no -o UsePAM=no -f /dev/null
}

# With -no-reboot, a reboot ends QEMU.
shut_down() {
  echo "$(hostname): powering off"
  killall sshd
  sync
  umount -a -r -t ext4 && echo "$(hostname): volumes are unmounted"
  reboot -f
}

hostname -F "$system/etc/hostname"
tr -d - </proc/sys/kernel/random/uuid >/etc/machine-id
ln -sfn "$system" /run/current-system
ln -sfn "$system" /run/booted-system
echo 0 >/proc/sys/kernel/ctrl-alt-del
trap shut_down INT TERM
set_up_network
mount_volumes
start_sshd
echo "$(hostname): up"
while :; do
  sleep 1000000 &
  wait $!
done
