# shellcheck shell=sh
# needs: begin system realise rollback
# Activates a system on trial. Arms the rollback before it changes anything: a timer on this host
# runs this script with p_step=roll-back, also if the host can no longer be reached. p_step
# (switch|roll-back) p_toplevel p_record p_switch_seconds p_confirm_seconds p_derivation: to be
# built on this host first, or empty
rollback=$RUN/rollback

require_nixos() {
  [ -x "$(current_system)/bin/switch-to-configuration" ] || fail operation \
    "/run/current-system has no bin/switch-to-configuration: the host does not run NixOS" \
    "Install NixOS on the host first, or remove \`system\` from the hypervisor."
}

ensure_system() {
  if [ -n "$p_derivation" ]; then
    status "building on the host"
    realise "$p_derivation"
  fi
  nix-store --check-validity "$p_toplevel" 2>/dev/null ||
    fail operation "$p_toplevel is not in the host's Nix store"
  [ -x "$p_toplevel/bin/switch-to-configuration" ] || fail input \
    "$p_toplevel has no bin/switch-to-configuration" \
    "Use a NixOS system, and do not set system.switch.enable = false."
}

# Is the system already active and not confirmed? An earlier run was interrupted between the switch
# and the login. Only the confirmation is missing, and its time limit starts again.
awaits_login() {
  read_trial
  [ "$phase:$new:$trial_boot" = "switching:$p_toplevel:$(this_boot)" ] && [ -n "$trial_seconds" ] &&
    [ "$(current_system)" = "$p_toplevel" ]
}

# Restarts one timer after the other, so that at least one is always armed.
restart_timers() {
  arm pulumi-microvm-unconfirmed "$p_confirm_seconds"
  arm pulumi-microvm-rollback "$((p_switch_seconds + p_confirm_seconds))"
}

# Ends the trial that an earlier run left. A switch of an earlier boot ended with that boot, because
# the default was not changed. If the rollback fails, the switch continues: the new system may be
# the repair.
end_earlier_trial() {
  read_trial
  case $phase in
    switching | rolling-back)
      if [ "$trial_boot" != "$(this_boot)" ] || ! roll_back; then give_up; fi ;;
    # The requested boot is no longer wanted. The booted system is still the default.
    booting)
      bootctl set-oneshot "" >/dev/null 2>&1 || true
      remove_files "$trial"
      ;;
    confirmed) remove_files "$trial" ;;
  esac
}

# GC roots keep both systems until the trial has ended.
keep_both() {
  mkdir -p "$roots" "$STATE/systems"
  chmod 0755 "$roots" "$STATE/systems"
  write_file "$record" 0644 "$p_record"
  set_link "$roots/toplevel" "$p_toplevel"
  set_link "$roots/previous" "$previous"
}

begin_trial() {
  new=$p_toplevel
  trial_boot=$(this_boot)
  trial_seconds=
  save_rollback "operation=$p_operation" doing=system-roll-back step=roll-back
  disarm
  arm pulumi-microvm-rollback "$((p_switch_seconds + p_confirm_seconds))"
  put_trial switching
}

activate() {
  status "switching to $new"
  journal "switching from $previous to $new"
  run_switch "$new" test
  if [ "$code" != 0 ] || [ "$(current_system)" != "$new" ]; then
    why="the switch to $new failed: $(meaning "$code"): $(switch_lines)"
    roll_back || no_way_back
    fail operation "$why. The host rolled back to $previous"
  fi
  # The switch has finished. The time limit of the confirmation starts.
  arm pulumi-microvm-unconfirmed "$p_confirm_seconds"
  trial_seconds=$p_confirm_seconds
  # If the disk is full, the trial has no confirm time. A run after an interrupted one then switches
  # again.
  put_trial switching || true
}

switch_system() {
  require_ours "$record" "the NixOS system of this host"
  require_nixos
  if awaits_login; then
    restart_timers
    return 0
  fi
  ensure_system
  end_earlier_trial
  previous=$(current_system)
  keep_both
  [ "$previous" != "$p_toplevel" ] || return 0
  begin_trial
  activate
}

# Run by the timer when the trial was not confirmed in time.
roll_back_unconfirmed() {
  read_trial
  case $phase in
    switching | rolling-back) roll_back || no_way_back ;;
  esac
}

lock 5 system
working
case $p_step in
  switch) switch_system ;;
  roll-back) roll_back_unconfirmed ;;
esac
finish
