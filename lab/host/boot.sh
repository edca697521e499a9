#!/bin/sh
# Runs a hypervisor as a systemd-nspawn machine until it is powered off.
# boot.sh NAME NETWORK_NAMESPACE ROOT GUEST_ROOT
set -eu
name=$1
namespace=$2
root=$3
guest_root=$4

set -- systemd-nspawn --quiet --register=no --keep-unit --machine="$namespace" --hostname="$name" \
  --network-namespace-path="/run/netns/$namespace" \
  --capability=all --system-call-filter='@keyring bpf' \
  --bind-ro="$guest_root:/usr/local/lib/pulumi-microvm-lab/guest-root" \
  --directory="$root" --boot
for device in /dev/kvm /dev/net/tun /dev/loop-control; do
  if [ -e "$device" ]; then
    set -- "$@" --bind="$device"
  fi
done

# Runs the machine in a cgroup of its own; this script stays outside of it.
start() (
  if [ -d /run/systemd/system ]; then
    exec systemd-run --quiet --scope --collect --property=Delegate=yes --unit="$namespace" "$@"
  fi
  for hierarchy in /sys/fs/cgroup/systemd /sys/fs/cgroup/unified /sys/fs/cgroup; do
    if [ -e "$hierarchy/cgroup.procs" ]; then
      mkdir -p "$hierarchy/$namespace"
      # The subshell's own number: $$ is the script's.
      sh -c 'echo $PPID' >"$hierarchy/$namespace/cgroup.procs"
    fi
  done
  exec "$@"
)

machine=
trap 'if [ -n "$machine" ]; then kill -TERM "$machine"; fi' TERM

# 133: the machine's own `reboot`, which --keep-unit leaves to the service manager.
code=133
while [ "$code" -eq 133 ]; do
  start "$@" &
  machine=$!
  # A trapped signal ends `wait` before the machine does.
  while kill -0 "$machine" 2>/dev/null; do
    code=0
    wait "$machine" || code=$?
  done
done
exit "$code"
