#!/bin/bash
# Builds a runner with microvm.nix's layout from the variables of the derivation.
# shellcheck disable=SC2154 # the variables are the derivation's attributes
set -eu

mkdir -p "$out/bin" "$out/share/microvm"
cp "$scripts/microvm-run.sh" "$out/bin/microvm-run"
cp "$scripts/microvm-shutdown.sh" "$out/bin/microvm-shutdown"
chmod 0755 "$out/bin/microvm-run" "$out/bin/microvm-shutdown"

ln -s "$toplevel" "$out/share/microvm/system"
printf '%s\n' "$machineName" >"$out/share/microvm/name"
printf '%s\n' "$bridge" >"$out/share/microvm/bridge"
printf '%s\n' "$vcpu" >"$out/share/microvm/vcpu"
printf '%s\n' "$memoryMiB" >"$out/share/microvm/memoryMiB"
printf '%s\n' "$volumes" >"$out/share/microvm/volumes"
printf '%s\n' "$shares" >"$out/share/microvm/shares"
# The card on the host, as systemd-nspawn calls it.
printf 'vb-%s\n' "$machineName" >"$out/share/microvm/tap-interfaces"
printf '%s\n' "$hardware" >"$out/share/microvm/hardware.json"
