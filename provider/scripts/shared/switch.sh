# shellcheck shell=sh
# needs: lib
# One run of switch-to-configuration, on a host or in a guest.
# p_switch_seconds: how long it may run.
SWITCH=pulumi-microvm-switch
switches=0

current_system() {
  readlink -f "$SYSTEMS/current-system" || true
}

# run_switch SYSTEM ACTION: sets `code` to the exit code, or to `none` if the switch was stopped.
# The switch runs in its own unit, which survives this operation. At the time limit, systemd stops
# the unit with all of its processes.
run_switch() {
  switches=$((switches + 1))
  unit=$SWITCH-$$-$switches.service
  rm -f "$RUN/switch"
  # $1 to $3 are for the inner shell.
  # shellcheck disable=SC2016
  systemd-run --quiet --collect --service-type=exec --unit="$unit" \
    --property="RuntimeMaxSec=$p_switch_seconds" --property=TimeoutStopSec=10 \
    --setenv=PATH="$PATH" /bin/sh -c 'exec 7>"$3.running"; flock 7
      "$1/bin/switch-to-configuration" "$2"; echo "$?" >"$3"' sh "$1" "$2" "$RUN/switch" ||
    fail operation "systemd did not start the switch to $1"
  until unit_has_ended "$unit"; do await_lock "$RUN/switch.running"; done
  code=$(cat "$RUN/switch" 2>/dev/null || echo none)
}

# Exit codes of switch-to-configuration-ng. Only the older Perl version returns 3.
meaning() {
  case $1 in
    none) echo "it did not end within $p_switch_seconds s and was stopped, or it was killed" ;;
    2) echo "exit code 2: the activation script failed" ;;
    3) echo "exit code 3: systemd could not be reloaded" ;;
    4) echo "exit code 4: units failed" ;;
    11) echo "exit code 11: another switch holds /run/nixos/switch-to-configuration.lock" ;;
    100) echo "exit code 100: its init is incompatible with the running init; reboot instead" ;;
    *) echo "exit code $1" ;;
  esac
}

switch_lines() {
  journalctl --sync 2>/dev/null || true
  journalctl -q -o cat -n 12 -u "$unit" 2>/dev/null | tr '\n' ' '
}

# Stops the switch of a killed operation, because NixOS allows one switch at a time.
stop_switches() {
  systemctl stop "$SWITCH-*" 2>/dev/null || true
}
