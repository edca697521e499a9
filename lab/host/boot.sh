#!/bin/sh
# Runs a hypervisor as a systemd-nspawn machine until it is powered off. boot.sh also replaces
# firmware and systemd-boot: it boots the entry of `bootctl set-oneshot` once, and otherwise the
# default. If PID 1 fails, as in a kernel panic, the machine restarts, as with the kernel parameter
# `panic=`. Not covered: kernel and initrd.
# boot.sh NAME NETWORK_NAMESPACE ROOT GUEST_ROOT KUBERNETES
set -eu
name=$1
namespace=$2
root=$3
guest_root=$4
kubernetes=$5

set -- systemd-nspawn --quiet --register=no --keep-unit --machine="$namespace" --hostname="$name" \
  --network-namespace-path="/run/netns/$namespace" \
  --capability=all --system-call-filter='@keyring bpf' --kill-signal=SIGRTMIN+3 \
  --bind-ro="$guest_root:/usr/local/lib/pulumi-microvm-lab/guest-root" \
  --bind-ro="$kubernetes:/usr/local/lib/pulumi-microvm-lab/kubernetes" \
  --directory="$root"
for device in /dev/kvm /dev/net/tun /dev/loop-control; do
  if [ -e "$device" ]; then
    set -- "$@" --bind="$device"
  fi
done

# Runs the machine in its own cgroup. This script stays outside of it.
start() (
  if [ -d /run/systemd/system ]; then
    exec systemd-run --quiet --scope --collect --property=Delegate=yes --unit="$namespace" "$@"
  fi
  for hierarchy in /sys/fs/cgroup/systemd /sys/fs/cgroup/unified /sys/fs/cgroup; do
    if [ -e "$hierarchy/cgroup.procs" ]; then
      mkdir -p "$hierarchy/$namespace"
      # The PID of the subshell: $$ is that of the script.
      sh -c 'echo $PPID' >"$hierarchy/$namespace/cgroup.procs"
    fi
  done
  exec "$@"
)

# Sets `init`: the kernel parameter of the entry to boot.
choose_entry() {
  oneshot=$root/boot/efivars/LoaderEntryOneShot
  once=no
  entry=$(sed -n 's/^default //p' "$root/boot/loader/loader.conf")
  if [ -e "$oneshot" ]; then
    once=yes
    entry=$(cat "$oneshot")
    rm "$oneshot"
  fi
  init=$(sed -n 's/^options init=//p' "$root/boot/loader/entries/$entry")
  echo "booting $entry: $init"
}

machine=
trap 'if [ -n "$machine" ]; then kill -TERM "$machine"; fi' TERM

# 133: the machine rebooted itself. With --keep-unit the service manager must restart it.
code=133
once=no
while [ "$code" -eq 133 ] || { [ "$once" = yes ] && [ "$code" -ne 0 ]; }; do
  choose_entry
  # Links that the machine made do not survive a restart.
  ip -n "$namespace" link delete br0 2>/dev/null || true
  start "$@" "$init" &
  machine=$!
  # A trapped signal ends `wait` before the machine does.
  while kill -0 "$machine" 2>/dev/null; do
    code=0
    wait "$machine" || code=$?
  done
done
exit "$code"
