#!/bin/sh
# The last ExecStop of microvm@NAME on the host: ends when the VMM has. microvm-shutdown of a QEMU runner up
# to microvm.nix's pull request 578 returns at once under systemd, which then kills the VMM in the middle of
# its guest's shutdown. TimeoutStopSec bounds it.
while [ -n "${MAINPID:-}" ] && kill -0 "$MAINPID" 2>/dev/null; do
  sleep 0.1
done
