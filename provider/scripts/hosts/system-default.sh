# shellcheck shell=sh
# needs: begin system
# Makes the running, confirmed system the default of the next boot. Sets the profile first, because
# a boot loader has entries only for the generations of the profile. p_toplevel

make_default() {
  require_ours "$record" "the NixOS system of this host"
  read_trial
  case $phase in
    # The system ran already. A trial is recorded, so that the boot loader is updated in the next
    # run if this one crashes after it has set the profile.
    none)
      new=$p_toplevel
      previous=$(readlink -f "$PROFILES/system" || true)
      previous=${previous:-$new}
      trial_boot=$(this_boot)
      ;;
    confirmed) ;;
    *) fail operation "the trial of $new is not over ($phase); the default was not changed" \
      "Run up again." ;;
  esac
  [ "$(current_system)" = "$p_toplevel" ] ||
    fail operation "$(current_system) runs, not $p_toplevel"
  [ "$phase" = confirmed ] || put_trial confirmed
  set_profile "$p_toplevel"
  status "making it the default of the next boot"
  journal "making $p_toplevel the default of the next boot"
  run_switch "$p_toplevel" boot
  [ "$code" = 0 ] || fail operation \
    "$p_toplevel runs, but is not the default boot entry: $(meaning "$code"): $(switch_lines)" \
    "Check the boot loader (is /boot full?), then run up again."
  remove_files "$rolled_back" "$trial"
  remove_files "$roots/previous"
}

lock 5 system
working
make_default
finish
