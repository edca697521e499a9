#!/bin/sh
# Like NixOS's installer for systemd-boot: writes an entry for each generation of the system
# profile, and makes the given system the default. Not covered: kernels, the ESP, the limit of
# generations, and systemd-boot itself.
set -eu
default=$1
loader=/boot/loader

mkdir -p "$loader/entries"
for entry in "$loader"/entries/nixos-generation-*.conf; do
  number=${entry##*-}
  generation=/nix/var/nix/profiles/system-${number%.conf}-link
  if [ -e "$entry" ] && [ ! -e "$generation" ]; then rm "$entry"; fi
done
# If a system has several generations, the newest becomes the default.
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
