# shellcheck shell=sh
# needs: begin system realise
# Activates a system, and leaves it unconfirmed. The way back is armed before anything is touched: a timer on this
# host runs this same script with p_step=roll-back, whether or not anybody can still reach it.
# p_step (switch|roll-back) p_toplevel p_derivation (to be built here, or empty) p_record
# p_switch_seconds p_confirm_seconds. Behind system.sh.

require_nixos() {
  [ -x "$(current_system)/bin/switch-to-configuration" ] || fail operation \
    "/run/current-system is no NixOS system that could be switched" \
    "Install NixOS on the host first, or take \`system\` from the hypervisor."
}

bring_system() {
  if [ -n "$p_derivation" ]; then
    status "building on the host"
    realise "$p_derivation"
  fi
  nix-store --check-validity "$p_toplevel" 2>/dev/null || fail operation "$p_toplevel is not in the host's Nix store"
  [ -x "$p_toplevel/bin/switch-to-configuration" ] || fail input \
    "$p_toplevel has no bin/switch-to-configuration: it is no NixOS system, or one with system.switch.enable = false"
}

# Whoever activated it went before it could log in anew: that is all that is left to do, and there is time for it again.
awaits_login() {
  read_trial
  [ "$phase:$new:$trial_boot" = "switching:$p_toplevel:$(this_boot)" ] && [ -n "$trial_seconds" ] &&
    [ "$(current_system)" = "$p_toplevel" ]
}

# One timer after the other: there is always one.
await_login() {
  arm pulumi-microvm-unconfirmed "$p_confirm_seconds"
  arm pulumi-microvm-rollback "$((p_switch_seconds + p_confirm_seconds))"
}

# What a run before this one left. A trial of an earlier boot has ended with it: the default was not touched. Where there is
# no way back, what is wanted now may still be what helps.
end_earlier_trial() {
  read_trial
  case $phase in
    switching | rolling-back)
      if [ "$trial_boot" != "$(this_boot)" ] || ! roll_back; then give_up; fi ;;
    # Not asked for any more: what was booted is the default still.
    booting)
      bootctl set-oneshot "" >/dev/null 2>&1 || true
      rm -f "$trial"
      ;;
    confirmed) rm -f "$trial" ;;
  esac
}

# Nobody is to collect either of the two while it is not decided which one stays.
keep_both() {
  mkdir -p "$roots" "$STATE/systems"
  chmod 0755 "$roots" "$STATE/systems"
  write_file "$record" 0644 "$p_record"
  set_link "$roots/toplevel" "$p_toplevel"
  set_link "$roots/previous" "$previous"
}

keep_the_way_back() {
  rm -rf "$RUN/rollback"
  mkdir "$RUN/rollback"
  cp "$0" "$RUN/rollback/script"
  {
    printf '%s=%s\n' operation "$p_operation" machine_id "$p_machine_id" switch_seconds "$p_switch_seconds"
    printf 'step=roll-back\nnonce=rollback\ndoing=system-roll-back\nwait_seconds=30\n\n'
  } >"$RUN/rollback/parameters"
}

# arm NAME SECONDS. It insists: as long as another operation holds the host's lock, it comes again. systemd lets go of a
# stopped unit's name only when it comes to it.
arm() {
  systemctl stop "$1.timer" "$1.service" 2>/dev/null || true
  insist start_timer "$@" || fail operation "systemd did not start the timer of the way back: $said"
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
  keep_the_way_back
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
    fail operation "$why. The host went back to $previous"
  fi
  # From here on it is the login that is waited for.
  arm pulumi-microvm-unconfirmed "$p_confirm_seconds"
  trial_seconds=$p_confirm_seconds
  # On a full disk it is not marked so, and a run behind a killed one switches again.
  put_trial switching || true
}

switch_system() {
  require_ours "$record" "the NixOS system of this host"
  require_nixos
  if awaits_login; then
    await_login
    return 0
  fi
  bring_system
  end_earlier_trial
  previous=$(current_system)
  keep_both
  [ "$previous" != "$p_toplevel" ] || return 0
  begin_trial
  activate
}

# By the timer: nobody has confirmed.
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
