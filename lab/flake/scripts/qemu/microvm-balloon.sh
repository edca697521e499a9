#!/bin/bash
# As in microvm.nix. Despite the usage text, the value is the guest's memory, not the balloon size.
set -e
if [ -z "${1:-}" ]; then
  echo "Usage: $0 <balloon-size-mb>"
  exit 1
fi
share=$(dirname "$(dirname "$(readlink -f "$0")")")/share/microvm
VALUE=$(($1 * 1024 * 1024))
SIZE=$(
  (
    echo '{"execute":"qmp_capabilities"}'
    echo "{\"execute\":\"balloon\",\"arguments\":{\"value\":$VALUE}}"
  ) | socat STDIO "UNIX:$(cat "$share/name").sock,shut-none" | tail -n 1 | jq -r .data.actual
)
echo $((SIZE / 1024 / 1024))
