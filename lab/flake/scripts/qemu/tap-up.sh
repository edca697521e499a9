#!/bin/bash
# As in microvm.nix. Also adds the device to the bridge, which systemd-networkd does on NixOS.
set -euo pipefail
share=$(dirname "$(dirname "$(readlink -f "$0")")")/share/microvm
tap=$(cat "$share/tap-interfaces")
if ip link show "$tap" >/dev/null 2>&1; then ip link delete "$tap"; fi
ip tuntap add name "$tap" mode tap user microvm vnet_hdr
ip link set "$tap" master "$(cat "$share/bridge")" up
