# shellcheck shell=sh
# needs: begin system
# Ends a failed boot trial: the host came back on the previous system, which becomes the newest
# generation of the profile again.

settle() {
  require_ours "$record" "the NixOS system of this host"
  read_trial
  [ "$phase" = booting ] || return 0
  [ "$(current_system)" = "$previous" ] ||
    fail operation "$(current_system) runs, not $previous"
  journal "keeping $previous: the boot of $new failed"
  set_profile "$previous"
  give_up
}

lock 5 system
working
settle
finish
