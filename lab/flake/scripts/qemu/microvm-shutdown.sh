#!/bin/bash
# As in microvm.nix at f30ae9b: sends Ctrl+Alt+Delete. The wait then ends at once under systemd,
# because stdin is /dev/null (pull request 578 of microvm.nix). await-stop.sh waits instead.
share=$(dirname "$(dirname "$(readlink -f "$0")")")/share/microvm
key() {
  printf '{"type":"key","data":{"down":true,"key":{"type":"qcode","data":"%s"}}}' "$1"
}
(
  echo '{"execute":"qmp_capabilities"}'
  events="$(key ctrl),$(key alt),$(key delete)"
  echo "{\"execute\":\"input-send-event\",\"arguments\":{\"events\":[$events]}}"
  cat
) | socat STDIO "UNIX:$(cat "$share/name").sock,shut-none"
