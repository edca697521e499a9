# shellcheck shell=sh
# The head of each operation: parameters, the host's lock, the right machine; and its end, whatever comes.
take_lock() {
  mkdir -p "$RUN"
  exec 9>"$RUN/lock"
  if ! flock -n 9; then
    status "waiting for another operation on this host"
    flock -w "$p_lock_seconds" 9 || fail deadline "another operation holds this host" \
      "journalctl -t pulumi-microvm on the host shows which."
  fi
}

# abandon: what a failed operation takes back; scripts that have something give it another body.
abandon() { :; }

# What no step foresaw, such as a full disk, is an error with the last words of the command that failed.
conclude() {
  trap - EXIT
  abandon || true
  cat "$RUN/errors" >&3
  [ "$concluded" = no ] || return 0
  words=$(tail -n 1 "$RUN/errors")
  case $words in
    *'No space left'*) remedy="Make room on the host; the next up goes on from there." ;;
    *'Read-only file system'*) remedy="Find out why the host mounted it read-only; the next up goes on from there." ;;
    *) remedy= ;;
  esac
  fail operation "a step failed: ${words:-without a word}" "$remedy"
}

begin() {
  read_parameters
  require_machine
  take_lock
  exec 3>&2 2>"$RUN/errors"
  trap conclude EXIT
  mkdir -p "$STATE"
  [ "$(stat -c %a "$STATE")" = 755 ] || chmod 0755 "$STATE"
}

begin
