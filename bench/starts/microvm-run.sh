#!/bin/bash
# Replaces a VMM and its guest in the benchmark of starts: only an sshd with the VM's host key, in
# its own network namespace on the bridge, 5 s after the start. Not covered, because it would use
# processor time: the guest's system, its volumes, its shares, and logins.
set -eu
share=$(dirname "$(dirname "$(readlink -f "$0")")")/share/microvm
name=$(cat "$share/name")

if [ "${1:-}" != inside ]; then
  sleep 5
  exec unshare --net -- "$0" inside
fi

# The hypervisor's namespace is that of its PID 1. The port vanishes with this namespace.
on_host() { nsenter --net=/proc/1/ns/net -- "$@"; }
port=vm-$name
on_host ip link add "$port" type veth peer name host0 netns $$
on_host ip link set "$port" master "$(cat "$share/bridge")" up
read -r address _ <"$share/system/network"
# The VM's own: with another one the hypervisor's ARP entry of the last start would be wrong.
mac=$(sed -n 's/.*"mac":"\([^"]*\)".*/\1/p' "$share/system/machine.json")
ip link set host0 address "$mac"
ip addr add "$address" dev host0
ip link set host0 up
exec /usr/sbin/sshd -D -e -f /dev/null -o PidFile=none -o "ListenAddress=${address%/*}" \
  -h "/var/lib/microvms/$name/etc/ssh/ssh_host_ed25519_key"
