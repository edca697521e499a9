#!/bin/bash
# Powers the guest off as ExecStop of microvm@NAME, and returns when it is gone or the unit's
# TimeoutSec is near. nspawn passes SIGTERM on as its --kill-signal.
set -eu
kill -TERM "$MAINPID"
for ((tenths = 0; tenths < 1200; tenths++)); do
  kill -0 "$MAINPID" 2>/dev/null || exit 0
  sleep 0.1
done
echo "the guest did not power off within 120 s" >&2
exit 1
