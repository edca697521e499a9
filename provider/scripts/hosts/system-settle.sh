# shellcheck shell=sh
# needs: begin system
# The host came back on the system before a boot on trial: that one is the system again. Behind system.sh.

settle() {
  require_ours "$record" "the NixOS system of this host"
  read_trial
  [ "$phase" = booting ] || return 0
  [ "$(current_system)" = "$previous" ] || fail operation "$(current_system) runs, not $previous"
  journal "keeping $previous: the boot of $new failed"
  set_profile "$previous"
  give_up
}

lock 5 system
working
settle
finish
