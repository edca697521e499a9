#!/bin/bash
# Replaces a VMM and its guest for the workers w001, w002, ... in the benchmark of passes over many
# nodes: only an sshd with the VM's host key, in its own network namespace on the bridge. A pass
# logs in to no worker. The lab's own runner follows below, for the controllers.
name=$(cat "$(dirname "$(dirname "$(readlink -f "$0")")")/share/microvm/name")
if [[ $name == w* ]]; then
  set -eu
  share=$(dirname "$(dirname "$(readlink -f "$0")")")/share/microvm
  [ "${1:-}" = inside ] || exec unshare --net -- "$0" inside
  # The hypervisor's namespace is that of its PID 1. The port vanishes with this namespace.
  on_host() { nsenter --net=/proc/1/ns/net -- "$@"; }
  on_host ip link add "vb-$name" type veth peer name host0 netns $$
  on_host ip link set "vb-$name" master "$(cat "$share/bridge")" up
  read -r address _ <"$share/system/network"
  ip link set host0 address "$(sed -n 's/.*"mac":"\([^"]*\)".*/\1/p' "$share/system/machine.json")"
  ip addr add "$address" dev host0
  ip link set host0 up
  exec /usr/sbin/sshd -D -e -f /dev/null -o PidFile=none -o "ListenAddress=${address%/*}" \
    -h "/var/lib/microvms/$name/etc/ssh/ssh_host_ed25519_key"
fi

