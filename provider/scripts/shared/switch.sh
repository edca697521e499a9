# shellcheck shell=sh
# needs: lib
# One run of switch-to-configuration, on a host or in a guest.
# p_switch_seconds: how long it may run.
SWITCH=pulumi-microvm-switch
switches=0

current_system() {
  readlink -f "$SYSTEMS/current-system" || true
}

# run_switch SYSTEM ACTION: into `code`, the exit code, or `none` where it had to be ended. It runs in
# a unit of its own, which outlives this operation, and has a limit of its own: systemd ends it with
# all of its children.
run_switch() {
  switches=$((switches + 1))
  unit=$SWITCH-$$-$switches.service
  rm -f "$RUN/switch"
  # $1 to $3 are for the inner shell.
  # shellcheck disable=SC2016
  systemd-run --quiet --collect --service-type=exec --unit="$unit" \
    --property="RuntimeMaxSec=$p_switch_seconds" --property=TimeoutStopSec=10 --setenv=PATH="$PATH" \
    /bin/sh -c '"$1/bin/switch-to-configuration" "$2"; echo "$?" >"$3"' sh "$1" "$2" "$RUN/switch" ||
    fail operation "systemd did not start the switch to $1"
  until unit_is_over "$unit"; do sleep 0.2; done
  code=$(cat "$RUN/switch" 2>/dev/null || echo none)
}

unit_is_over() {
  ask systemctl is-active "$1" || return 1
  case $answer in
    active | activating | deactivating | reloading) return 1 ;;
  esac
}

# The exit codes of switch-to-configuration-ng; 3 is only its forerunner's.
meaning() {
  case $1 in
    none) echo "it did not end within $p_switch_seconds s and was stopped, or it was killed" ;;
    2) echo "exit code 2: the activation script failed" ;;
    3) echo "exit code 3: systemd could not be reloaded" ;;
    4) echo "exit code 4: units failed" ;;
    11) echo "exit code 11: another switch holds /run/nixos/switch-to-configuration.lock" ;;
    100) echo "exit code 100: its init can't take over from the one that runs; it takes a reboot" ;;
    *) echo "exit code $1" ;;
  esac
}

switch_lines() {
  journalctl --sync 2>/dev/null || true
  journalctl -q -o cat -n 12 -u "$unit" 2>/dev/null | tr '\n' ' '
}

# What an operation that was killed has left: NixOS allows one switch at a time.
stop_switches() {
  systemctl stop "$SWITCH-*" 2>/dev/null || true
}
