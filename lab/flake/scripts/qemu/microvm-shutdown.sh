#!/bin/bash
# As in microvm.nix at f30ae9b: Ctrl+Alt+Delete, and then a wait that ends at once under systemd, where
# stdin is /dev/null (microvm.nix's pull request 578). The unit waits for it: see vmm-stopped.
share=$(dirname "$(dirname "$(readlink -f "$0")")")/share/microvm
key() {
  printf '{"type":"key","data":{"down":true,"key":{"type":"qcode","data":"%s"}}}' "$1"
}
(
  echo '{"execute":"qmp_capabilities"}'
  echo "{\"execute\":\"input-send-event\",\"arguments\":{\"events\":[$(key ctrl),$(key alt),$(key delete)]}}"
  cat
) | socat STDIO "UNIX:$(cat "$share/name").sock,shut-none"
