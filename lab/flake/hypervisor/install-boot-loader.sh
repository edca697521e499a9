#!/bin/sh
# As NixOS's builder for systemd-boot: an entry for each generation of the system profile, and as the default the one
# that is the system given. It leaves out kernels, the ESP, the limit of generations, and systemd-boot itself.
set -eu
default=$1
loader=/boot/loader

mkdir -p "$loader/entries"
for entry in "$loader"/entries/nixos-generation-*.conf; do
  number=${entry##*-}
  if [ -e "$entry" ] && [ ! -e "/nix/var/nix/profiles/system-${number%.conf}-link" ]; then rm "$entry"; fi
done
# Of several generations of one system the newest is the default.
printf '%s\n' /nix/var/nix/profiles/system-*-link | sort -V | while IFS= read -r generation; do
  number=${generation#/nix/var/nix/profiles/system-}
  name=nixos-generation-${number%-link}.conf
  system=$(readlink -f "$generation")
  printf 'title NixOS\noptions init=%s/init\n' "$system" >"$loader/entries/$name"
  if [ "$system" = "$default" ]; then
    printf 'timeout 5\ndefault %s\n' "$name" >"$loader/loader.conf.tmp"
    mv "$loader/loader.conf.tmp" "$loader/loader.conf"
  fi
done
