# shellcheck shell=sh
# needs: begin system
# Makes the system that runs, and was confirmed, the default of the next boot. The profile comes first: boot
# loaders get an entry for each of its generations, and for nothing else. p_toplevel. Behind system.sh.

make_default() {
  require_ours "$record" "the NixOS system of this host"
  read_trial
  case $phase in
    # It ran already: whoever comes after a crash behind the profile finds that there is a step to go.
    none)
      new=$p_toplevel
      previous=$(readlink -f "$PROFILES/system" || true)
      previous=${previous:-$new}
      trial_boot=$(this_boot)
      ;;
    confirmed) ;;
    *) fail operation "a trial of $new is $phase; nothing was made the default" "Run up again." ;;
  esac
  [ "$(current_system)" = "$p_toplevel" ] || fail operation "$(current_system) runs, not $p_toplevel"
  [ "$phase" = confirmed ] || put_trial confirmed
  set_profile "$p_toplevel"
  status "making it the default of the next boot"
  journal "making $p_toplevel the default of the next boot"
  run_switch "$p_toplevel" boot
  [ "$code" = 0 ] || fail operation \
    "$p_toplevel runs, but could not be made the default of the next boot: $(meaning "$code"): $(switch_lines)" \
    "Look at the boot loader (is /boot full?) and run up again."
  rm -f "$rolled_back" "$trial"
  rm -f "$roots/previous"
}

lock 5 system
working
make_default
finish
