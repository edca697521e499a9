#!/bin/sh
# Stands in for systemd-run in a QEMU guest, which has no systemd: starts a command apart from the
# caller's session, so that it survives a lost link. It leaves out limits, timers and the journal.
for word do
  case $word in --unit=*) unit=${word#--unit=} ;; esac
done
while [ "${1#--}" != "$1" ]; do shift; done
mkdir -p /run/units
setsid "$@" </dev/null >/dev/null 2>&1 &
echo $! >"/run/units/${unit%.service}"
