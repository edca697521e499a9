#!/bin/sh
# Replaces systemd-run in a QEMU guest, which has no systemd: starts a command outside the caller's
# session, so that it survives a lost connection. Not covered: limits, timers and the journal.
for word do
  case $word in --unit=*) unit=${word#--unit=} ;; esac
done
while [ "${1#--}" != "$1" ]; do shift; done
mkdir -p /run/units
setsid "$@" </dev/null >/dev/null 2>&1 &
echo $! >"/run/units/${unit%.service}"
