# shellcheck shell=sh
# needs: begin system realise
# Activates a system on trial. Arms the rollback before it changes anything: a timer on this host
# runs this script with p_step=roll-back, also if the host can no longer be reached. p_step
# (switch|roll-back) p_toplevel p_record p_switch_seconds p_confirm_seconds p_derivation: to be
# built on this host first, or empty

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
      rm -f "$trial"
      ;;
    confirmed) rm -f "$trial" ;;
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

# The timer runs a copy of this script.
save_rollback() {
  rm -rf "$RUN/rollback"
  mkdir "$RUN/rollback"
  cp "$0" "$RUN/rollback/script"
  {
    printf '%s=%s\n' operation "$p_operation" machine_id "$p_machine_id" \
      switch_seconds "$p_switch_seconds"
    printf 'step=roll-back\nnonce=rollback\ndoing=system-roll-back\nwait_seconds=30\n\n'
  } >"$RUN/rollback/parameters"
}

# arm NAME SECONDS: starts a rollback timer. Its service restarts on failure, because another
# operation may hold the host's lock. `retry` is needed because systemd may release the name of a
# stopped unit late.
arm() {
  systemctl stop "$1.timer" "$1.service" 2>/dev/null || true
  retry start_timer "$@" || fail operation "systemd did not start the rollback timer: $printed"
}

start_timer() {
  # $1 is for the inner shell.
  # shellcheck disable=SC2016
  systemd-run --quiet --collect --unit="$1" --on-active="$2" --timer-property=AccuracySec=1s \
    --service-type=exec --property=SyslogIdentifier=pulumi-microvm \
    --property=Restart=on-failure --property=RestartSec=5 \
    /bin/sh -c 'exec /bin/sh "$1/script" <"$1/parameters"' sh "$RUN/rollback"
}

begin_trial() {
  new=$p_toplevel
  trial_boot=$(this_boot)
  trial_seconds=
  save_rollback
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
