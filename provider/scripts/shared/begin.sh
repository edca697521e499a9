# shellcheck shell=sh
# needs: lib enter
# The start and the end of each operation: parameters, the right machine, locks, and errors. After
# it, an operation takes its locks, calls `working`, does its work, and calls `finish`.
#
# Locks are as small as what they protect, and are taken in this order:
#   4  host       shared by work on VMs and volumes, exclusive for a reboot
#   5  one thing  vm.NAME, volume.VM.NAME, closure.NAME, claims, system
#   6  vm.NAME    shared by work on its volumes; the other name in a rename
# 9 is the queue for slots or a second volume, 8 an image, 7 is held while the operation runs
# (operate.sh), 3 is the standard error of `begin`'s caller.

# lock DESCRIPTOR NAME [shared]
lock() {
  lock_file=$RUN/locks/$2
  eval "exec $1>>\"\$lock_file\""
  if [ "${3:-}" = shared ]; then how=-s; else how=-x; fi
  if ! flock -n "$how" "$1"; then
    waiting
    status "waiting for the lock of $2$(held_by)"
    flock "$how" -w "$p_wait_seconds" "$1" || fail deadline \
      "timed out after $p_wait_seconds s waiting for the lock of $2$(held_by)" \
      "journalctl -t pulumi-microvm on the host shows what it does."
  fi
  if [ "$how" = -x ]; then printf '%s\n' "$p_doing" >"$lock_file"; fi
}

# Shared holders do not write their names, so only the name of an earlier exclusive holder is known.
held_by() {
  holder=
  read -r holder <"$lock_file" || true
  if [ -n "$holder" ]; then printf ' (held by %s)' "$holder"; fi
}

# Between `waiting` and `working`, the limit of waits applies instead of the limit of the work.
waiting() {
  printf '%s waiting\n' "$p_nonce"
}

working() {
  printf '%s working\n' "$p_nonce"
}

# cleanup: runs when an operation ends, also after an error. A script may redefine it.
cleanup() { :; }

# An unexpected error, such as a full disk, is reported with the last line of the failed command.
conclude() {
  trap - EXIT
  cleanup || true
  cat "$errors" >&3
  [ "$concluded" = no ] || return 0
  words=$(tail -n 1 "$errors")
  case $words in
    *'No space left'*) remedy="Free some space on the host, then run up again." ;;
    *'Read-only file system'*) remedy="Find out why it is read-only, then run up again." ;;
    *) remedy= ;;
  esac
  fail operation "a step failed: ${words:-it printed nothing}" "$remedy"
}

begin() {
  read_parameters
  require_machine
  mkdir -p "$RUN/locks" "$RUN/operations/$p_operation"
  errors=$RUN/operations/$p_operation/errors
  exec 3>&2 2>"$errors"
  trap conclude EXIT
  if [ -n "$STATE" ]; then make_state; fi
}

make_state() {
  mkdir -p "$STATE"
  [ "$(stat -c %a "$STATE")" = 755 ] || chmod 0755 "$STATE"
}

begin
