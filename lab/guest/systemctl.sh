#!/bin/sh
# Stands in for systemctl in a QEMU guest: `is-active` of a unit that systemd-run.sh started. It
# leaves out everything else.
[ "$1" = is-active ] || exit 1
if read -r pid <"/run/units/${2%.service}" && kill -0 "$pid"; then echo active; else echo inactive; fi
