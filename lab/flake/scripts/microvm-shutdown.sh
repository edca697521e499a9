#!/bin/bash
# ExecStop of microvm@NAME: powers the guest off, and returns when it has ended or shortly before
# TimeoutSec of the unit. nspawn forwards SIGTERM as its --kill-signal.
set -eu
kill -TERM "$MAINPID"
for ((tenths = 0; tenths < 1200; tenths++)); do
  kill -0 "$MAINPID" 2>/dev/null || exit 0
  sleep 0.1
done
echo "the guest did not power off within 120 s" >&2
exit 1
