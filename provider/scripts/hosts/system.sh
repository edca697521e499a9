# shellcheck shell=sh
# needs: lib
# Shared by the operations on the host's own NixOS system: paths, switches, and the rollback. Each
# switch runs as a unit. p_switch_seconds: time limit of one switch-to-configuration.
#
# A trial is a system that runs and is not confirmed yet. The file $trial has one line,
# `PHASE NEW PREVIOUS BOOT_ID [SECONDS]`. The phases:
#   switching     NEW is being or was activated; without confirmation the host returns to PREVIOUS
#   rolling-back  PREVIOUS is being activated again
#   confirmed     a new login reached NEW; it becomes the default of the next boot
#   booting       the next boot is one of NEW; PREVIOUS is the default
# BOOT_ID is the boot in which the line was written. SECONDS is the time limit of the confirmation.
# In the phase switching, its presence means that the activation has finished.
record=$STATE/systems/nixos.json
trial=$STATE/systems/trial
# Holds the system that was rolled back last, until another system is confirmed.
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

# Ends the trial as failed.
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
  case $(systemctl is-active "$1" 2>/dev/null) in
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

# Stops the rollback timers. Called first, so that no confirmed system is rolled back.
disarm() {
  systemctl stop pulumi-microvm-rollback.timer pulumi-microvm-unconfirmed.timer 2>/dev/null || true
}

# roll_back: activates $previous again. $previous is the default of the next boot all the time.
# Returns false if $previous could not be activated. Stops the running switch first, because it
# holds the lock of switch-to-configuration.
roll_back() {
  status "rolling back to $previous"
  journal "rolling back from $new to $previous"
  put_trial rolling-back
  systemctl stop "$SWITCH-*" 2>/dev/null || true
  run_switch "$previous" test
  [ "$(current_system)" = "$previous" ] || return 1
  disarm
  give_up
}

no_way_back() {
  fail operation "the rollback to $previous failed: $(meaning "$code"): $(switch_lines)" \
    "The host retries. Reboot it to boot $previous, or run up with another system."
}

# set_profile SYSTEM: makes it the newest generation of the profile.
set_profile() {
  [ "$(readlink -f "$PROFILES/system" || true)" = "$1" ] && return 0
  journal "setting the system profile to $1"
  nix-env --profile "$PROFILES/system" --set "$1" ||
    fail operation "nix-env could not set the system profile to $1"
}

# generation_of SYSTEM: sets `generation` to the number of its newest generation, or to empty.
generation_of() {
  generation=
  for link in "$PROFILES"/system-*-link; do
    [ "$(readlink -f "$link" || true)" = "$1" ] || continue
    number=${link##*/system-}
    number=${number%-link}
    if [ "$number" -gt "${generation:-0}" ]; then generation=$number; fi
  done
}
