#!/bin/sh
# The last ExecStop of microvm@NAME on the host: waits until the VMM has ended. Before pull request
# 578 of microvm.nix, microvm-shutdown of a QEMU runner returns at once under systemd. systemd would
# then kill the VMM while the guest shuts down. TimeoutStopSec limits the wait.
while [ -n "${MAINPID:-}" ] && kill -0 "$MAINPID" 2>/dev/null; do
  sleep 0.1
done
