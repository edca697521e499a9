# shellcheck shell=sh
# The head of each operation: parameters, the host's lock, the right machine.
take_lock() {
  mkdir -p "$RUN" "$STATE"
  chmod 0755 "$STATE"
  exec 9>"$RUN/lock"
  if ! flock -n 9; then
    status "waiting for another operation on this host"
    flock -w "$p_lock_seconds" 9 || fail deadline "another operation holds this host" \
      "journalctl -t pulumi-microvm on the host shows which."
  fi
}

read_parameters
require_machine
take_lock
