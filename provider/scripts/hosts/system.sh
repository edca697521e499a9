# shellcheck shell=sh
# needs: lib switch
# Shared by the operations on the host's own NixOS system: paths and the rollback.
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
  remove_files "$trial"
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
  stop_switches
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
