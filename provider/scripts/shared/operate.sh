# shellcheck shell=sh
# needs: lib
# Starts an operation, waits for its result, and probes. The operation runs as a systemd unit, so it
# survives a lost connection. A second call with the same operation id only waits for the result:
# nothing runs twice.
# stdin after the parameters: the length of the operation's script in bytes, the script, and the
# parameters of the operation.

start_operation() {
  mkdir -p "$RUN/operations"
  # Another operation may clean up at the same time. A file that has disappeared is not an error.
  find "$RUN/operations" -mindepth 1 -maxdepth 1 -mmin +10080 -exec rm -rf {} + 2>/dev/null || true
  mkdir "$directory.new.$$"
  IFS= read -r length
  head -c "$length" >"$directory.new.$$/script"
  cat >"$directory.new.$$/parameters"
  # The connection may break in the middle of the script. The operation checks its parameters.
  [ "$(wc -c <"$directory.new.$$/script")" -eq "$length" ] ||
    fail operation "the script is incomplete; nothing was changed"
  mv -T "$directory.new.$$" "$directory"
  # $1 is for the inner shell. The unit has no time limit: a script limits those of its steps that
  # may be interrupted.
  # shellcheck disable=SC2016
  if ! systemd-run --quiet --collect --service-type=exec \
    --unit="$unit" --property=SyslogIdentifier=pulumi-microvm \
    /bin/sh -c 'exec 7>"$1/running"; flock 7
      exec /bin/sh "$1/script" <"$1/parameters" >"$1/output"' \
    sh "$directory" 2>"$directory/start"; then
    fail operation "systemd did not start the operation: $(tail -n 1 "$directory/start")"
  fi
}

# The first call creates the directory and then starts the unit. If this is another call, the unit
# may not exist yet: missing output does not mean that the operation has ended.
await_start() {
  attempts=0
  while [ ! -e "$directory/output" ] && unit_has_ended "$unit" && [ "$attempts" -lt 50 ]; do
    sleep 0.1
    attempts=$((attempts + 1))
  done
  until [ -e "$directory/output" ] || unit_has_ended "$unit"; do sleep 0.05; done
}

# Waits until the operation has ended and forwards its status lines. The operation holds the lock
# `running` while it runs, so nothing has to poll.
await_operation() {
  [ -e "$directory/output" ] || return 0
  tail -n +1 -f --pid=$$ "$directory/output" 2>/dev/null |
    sed -un "s/^$p_nonce_inner \(status .*\|waiting\|working\)\$/$p_nonce \1/p" &
  follower=$!
  flock -s "$directory/running" true
  kill "$follower" 2>/dev/null || true
}

report_operation() {
  failure=$(sed -n "s/^$p_nonce_inner fail //p" "$directory/output" 2>/dev/null | head -n 1)
  if [ -n "$failure" ]; then
    printf '%s fail %s\n' "$p_nonce" "$failure"
    exit 1
  fi
  # The first call may have failed to start the unit.
  if [ ! -e "$directory/output" ] && [ -s "$directory/start" ]; then
    fail operation "systemd did not start the operation: $(tail -n 1 "$directory/start")"
  fi
  grep -qx "$p_nonce_inner done" "$directory/output" 2>/dev/null || fail operation \
    "the operation ended without a result: $(unit_lines)"
}

unit_lines() {
  journalctl -q -o cat -n 3 -u "$unit" 2>/dev/null || true
}

read_parameters
directory=$RUN/operations/$p_operation
unit=pulumi-microvm-$p_operation.service
[ -d "$directory" ] || start_operation
await_start
await_operation
report_operation
probe
finish
