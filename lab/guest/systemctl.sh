#!/bin/sh
# Replaces systemctl in a QEMU guest: supports only `is-active` of a unit that systemd-run.sh
# started.
[ "$1" = is-active ] || exit 1
if read -r pid <"/run/units/${2%.service}" && kill -0 "$pid"; then
  echo active
else
  echo inactive
fi
