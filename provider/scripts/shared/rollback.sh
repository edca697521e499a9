# shellcheck shell=sh
# needs: lib
# Timers that roll back a switch without help from outside, on a host or in a guest. A timer runs a
# copy of the script that armed it. The copy and its parameters are files, because systemd expands
# `${` in the command of a transient unit, and writes a line break into the file of the unit.
# The script sets `rollback`: the directory of the copy.

# save_rollback PARAMETER...: copies the running script, with these parameters as `name=value`.
save_rollback() {
  rm -rf "$rollback"
  mkdir "$rollback"
  cp "$0" "$rollback/script"
  printf '%s\n' "$@" nonce=rollback wait_seconds=30 "machine_id=$p_machine_id" \
    "switch_seconds=$p_switch_seconds" '' >"$rollback/parameters"
}

# arm NAME SECONDS: starts a timer, or starts it again. `retry` is needed because systemd may
# release the name of a stopped unit late.
arm() {
  stop_timer "$1"
  retry start_timer "$@" || fail operation "systemd did not start the rollback timer: $printed"
}

# The service restarts until it succeeds, because another operation may hold the lock.
start_timer() {
  # $1 is for the inner shell.
  # shellcheck disable=SC2016
  systemd-run --quiet --collect --unit="$1" --on-active="$2" --timer-property=AccuracySec=1s \
    --service-type=exec --property=SyslogIdentifier=pulumi-microvm \
    --property=Restart=on-failure --property=RestartSec=5 \
    /bin/sh -c 'exec /bin/sh "$1/script" <"$1/parameters"' sh "$rollback"
}

# stop_timer NAME: also stops its service, which may wait for the lock of this operation.
stop_timer() {
  systemctl stop "$1.timer" "$1.service" 2>/dev/null || true
  systemctl reset-failed "$1.timer" "$1.service" 2>/dev/null || true
}
