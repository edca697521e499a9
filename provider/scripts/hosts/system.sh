# shellcheck shell=sh
# needs: lib
# What the operations on the host's own NixOS system share: its places, a switch as a unit of its own, and
# the way back. p_switch_seconds: how long one switch-to-configuration may run.
#
# A trial is a system that runs and is not yet confirmed. One line in $trial says
# `PHASE NEW PREVIOUS BOOT_ID`; its phases:
#   switching     NEW was or is being activated; who does not confirm it gets PREVIOUS back
#   rolling-back  PREVIOUS is being activated again
#   confirmed     NEW was reached by a fresh login; to be made the default of the next boot
#   booting       the next boot is one of NEW; PREVIOUS is the default
# The boot id is that of the boot in which the line was written. SECONDS may follow: how long it waits to be confirmed. In the
# phase switching they are only a mark: of what was activated to its end.
record=$STATE/systems/nixos.json
trial=$STATE/systems/trial
# Holds the system that was last tried and given up, until another one is confirmed.
rolled_back=$STATE/systems/rolled-back
roots=$GCROOTS/pulumi-microvm-system
SWITCH=pulumi-microvm-switch
switches=0

current_system() {
  readlink -f "$SYSTEMS/current-system" || true
}

this_boot() {
  cat /proc/sys/kernel/random/boot_id
}

read_trial() {
  phase=none
  new=
  previous=
  trial_boot=
  trial_seconds=
  [ -e "$trial" ] || return 0
  read -r phase new previous trial_boot trial_seconds <"$trial" || true
}

# put_trial PHASE
put_trial() {
  mkdir -p "$STATE/systems"
  write_file "$trial" 0644 "$1 $new $previous $trial_boot${trial_seconds:+ $trial_seconds}"
  phase=$1
}

give_up() {
  write_file "$rolled_back" 0644 "$new"
  rm -f "$trial"
}

# run_switch SYSTEM ACTION: into `code`, the exit code, or `none` where it had to be ended. It runs in a unit of its own,
# which outlives this operation, and has a deadline of its own.
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

# The timers go first: nothing is to be undone behind a confirmation.
disarm() {
  systemctl stop pulumi-microvm-rollback.timer pulumi-microvm-unconfirmed.timer 2>/dev/null || true
}

# roll_back: from `new` to `previous`, which stays the default of the next boot all the time; false where that did not
# succeed. The switch is stopped before: it holds the lock that the way back needs.
roll_back() {
  status "going back to $previous"
  journal "going back from $new to $previous"
  put_trial rolling-back
  systemctl stop "$SWITCH-*" 2>/dev/null || true
  run_switch "$previous" test
  [ "$(current_system)" = "$previous" ] || return 1
  disarm
  give_up
}

no_way_back() {
  fail operation "the way back to $previous failed: $(meaning "$code"): $(switch_lines)" \
    "It is tried again and again, and is the default of the next boot; another system can be tried too."
}

# set_profile SYSTEM: as its own generation, unless it is the last one already.
set_profile() {
  [ "$(readlink -f "$PROFILES/system" || true)" = "$1" ] && return 0
  journal "setting the system profile to $1"
  nix-env --profile "$PROFILES/system" --set "$1" || fail operation "the system profile could not be set to $1"
}

# generation_of SYSTEM: into `generation`, the number of its newest one; empty where it has none.
generation_of() {
  generation=
  for link in "$PROFILES"/system-*-link; do
    [ "$(readlink -f "$link" || true)" = "$1" ] || continue
    number=${link##*/system-}
    number=${number%-link}
    if [ "$number" -gt "${generation:-0}" ]; then generation=$number; fi
  done
}
