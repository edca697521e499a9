# shellcheck shell=sh
# Starts an operation as a unit of its own, which survives a lost link, waits for its result, and
# probes. Sent again with the same operation id it only waits: nothing is run twice.
# stdin behind the parameters: the length of the operation's script in bytes, the script, and the
# operation's own parameters up to the end.

start_operation() {
  mkdir -p "$RUN/operations"
  # Another operation may begin or tidy up at the same time: what is gone meanwhile is no error.
  find "$RUN/operations" -mindepth 1 -maxdepth 1 -mmin +1440 -exec rm -rf {} + 2>/dev/null || true
  mkdir "$directory.new.$$"
  IFS= read -r length
  head -c "$length" >"$directory.new.$$/script"
  cat >"$directory.new.$$/parameters"
  # The link may be lost while all this comes. The operation's parameters see to themselves.
  [ "$(wc -c <"$directory.new.$$/script")" -eq "$length" ] || fail operation "the script did not come whole"
  mv -T "$directory.new.$$" "$directory"
  # $1 is for the inner shell.
  # shellcheck disable=SC2016
  if ! systemd-run --quiet --collect --service-type=exec \
    --unit="pulumi-microvm-$p_operation" \
    --property=SyslogIdentifier=pulumi-microvm \
    --property="RuntimeMaxSec=$p_seconds" \
    /bin/sh -c 'exec /bin/sh "$1/script" <"$1/parameters" >"$1/output"' sh "$directory" 2>"$directory/start"; then
    fail operation "systemd did not start the operation: $(tail -n 1 "$directory/start")"
  fi
}

unit_ended() {
  case $(systemctl is-active "pulumi-microvm-$p_operation.service" 2>/dev/null) in
    active | activating | deactivating | reloading) return 1 ;;
  esac
}

# Whoever made the directory, and whose link was lost since, may start the unit only now: no output yet is no end.
await_start() {
  attempts=0
  while [ ! -e "$directory/output" ] && unit_ended && [ "$attempts" -lt 50 ]; do
    sleep 0.1
    attempts=$((attempts + 1))
  done
}

# Until the unit has ended; its last status line is passed on.
await_operation() {
  shown=
  until unit_ended; do
    line=$(sed -n "s/^$p_nonce_inner status //p" "$directory/output" 2>/dev/null | tail -n 1)
    if [ -n "$line" ] && [ "$line" != "$shown" ]; then
      shown=$line
      status "$line"
    fi
    sleep 0.1
  done
}

report_operation() {
  failure=$(sed -n "s/^$p_nonce_inner fail //p" "$directory/output" 2>/dev/null | head -n 1)
  if [ -n "$failure" ]; then
    printf '%s fail %s\n' "$p_nonce" "$failure"
    exit 1
  fi
  # A call of before, which made the directory, may have failed at this.
  if [ ! -e "$directory/output" ] && [ -s "$directory/start" ]; then
    fail operation "systemd did not start the operation: $(tail -n 1 "$directory/start")"
  fi
  grep -qx "$p_nonce_inner done" "$directory/output" 2>/dev/null || fail operation \
    "the operation ended without a result: $(journalctl -q -o cat -n 3 -u "pulumi-microvm-$p_operation.service" 2>/dev/null | tr '\n' ' ')"
}

read_parameters
directory=$RUN/operations/$p_operation
[ -d "$directory" ] || start_operation
await_start
await_operation
report_operation
probe
finish
