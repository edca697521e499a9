#!/bin/bash
# Builds a QEMU runner with microvm.nix's layout from the variables of the derivation.
# shellcheck disable=SC2154 # the variables are the derivation's attributes
set -eu

share=$out/share/microvm
mkdir -p "$out/bin" "$share"
for program in microvm-run microvm-shutdown microvm-balloon tap-up tap-down virtiofsd-run; do
  cp "$scripts/qemu/$program.sh" "$out/bin/$program"
  chmod 0755 "$out/bin/$program"
done

ln -s "$toplevel" "$share/system"
printf '%s\n' "$machineName" >"$share/name"
printf '%s\n' "$bridge" >"$share/bridge"
printf '%s\n' "$mac" >"$share/mac"
printf '%s\n' "$vcpu" >"$share/vcpu"
printf '%s\n' "$memoryMiB" >"$share/memoryMiB"
printf '%s\n' "$volumes" >"$share/volumes"
printf 'vm-%s\n' "$machineName" >"$share/tap-interfaces"
mkdir -p "$share/virtiofs/ro-store" "$share/virtiofs/etc"
printf '/nix/store\n' >"$share/virtiofs/ro-store/source"
printf '/var/lib/microvms/%s/etc\n' "$machineName" >"$share/virtiofs/etc/source"
for tag in ro-store etc; do
  printf '%s-virtiofs-%s.sock\n' "$machineName" "$tag" >"$share/virtiofs/$tag/socket"
done
printf '%s\n' "$hardware" >"$share/hardware.json"
