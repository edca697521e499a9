# shellcheck shell=sh
# needs: guest-system
# Runs in a guest: activates a system, in the order of microvm.nix's deploy.sshSwitch, and leaves it
# unconfirmed. Arms the rollback before it changes anything: a timer in the guest runs this script
# with an empty p_toplevel, also if the guest can no longer be reached.
# p_toplevel: the system. Empty: the system from before the last unconfirmed switch.
# p_closure_info: the system's closureInfo
# p_reported: yes if the hypervisor's probe has seen that the guest runs p_toplevel
# p_switch_seconds: the time limit of switch-to-configuration
# p_confirm_seconds: the time limit of the confirmation after it
# p_by: who requests it, provider or timer
# p_system: the system that is known to have run before the switch, or empty

require_right_guest() {
  [ -x "$p_toplevel/bin/switch-to-configuration" ] ||
    fail operation "the guest does not see $p_toplevel: its store is not the hypervisor's"
  [ "$(cat "$p_toplevel/etc/hostname")" = "$(cat /etc/hostname)" ] ||
    fail operation \
      "the guest is $(cat /etc/hostname), the system is for $(cat "$p_toplevel/etc/hostname")"
}

# True if an earlier run was interrupted after the part of the guest, before that of the hypervisor.
is_confirmed() {
  [ "$p_reported" = yes ] && [ ! -e "$before" ] && [ "$(current_system)" = "$p_toplevel" ]
}

# True if an earlier run was interrupted between the switch and its confirmation.
awaits_confirmation() {
  [ -e "$before" ] && [ "$(cat "$switched" 2>/dev/null)" = "$p_toplevel" ] &&
    [ "$(current_system)" = "$p_toplevel" ]
}

# Starts the time limit of the confirmation.
await_login() {
  arm "$UNCONFIRMED" "$p_confirm_seconds"
  arm "$ROLLBACK" "$((p_switch_seconds + p_confirm_seconds))"
}

# After a failed switch, `before` does not change: it names the system of the last confirmed switch.
begin_switch() {
  remove_files "$switched" "$went_back"
  save_rollback operation=guest-rollback doing=guest-rollback toplevel= by=timer
  if [ ! -e "$before" ]; then write_file "$before" 0600 "$(current_system)"; fi
  arm "$ROLLBACK" "$((p_switch_seconds + p_confirm_seconds))"
  stop_switches
}

# The guest shares the hypervisor's store. The paths exist, but the guest's database lacks them.
register() {
  nix-store --load-db <"$p_closure_info/registration"
  set_profile "$p_toplevel"
}

set_profile() {
  nix-env --profile "$PROFILES/system" --set "$1"
}

switch_system() {
  require_right_guest
  if is_confirmed; then return 0; fi
  if ! awaits_confirmation; then
    journal "switching from $(current_system) to $p_toplevel"
    begin_switch
    register
    status "switching"
    run_switch "$p_toplevel" switch
    if [ "$code" != 0 ] || [ "$(current_system)" != "$p_toplevel" ]; then
      fail operation "the switch to $p_toplevel failed: $(meaning "$code"): $(switch_lines)"
    fi
    write_file "$switched" 0600 "$p_toplevel"
  fi
  await_login
}

# The provider can restart the VM instead, so it accepts no failed units. The timer can only retry.
is_back() {
  [ "$(current_system)" = "$p_toplevel" ] || return 1
  [ "$p_by" = timer ] || [ "$code" = 0 ]
}

# The database may not contain the system that the guest was started with. The profile then does not
# change, because nothing boots from it.
go_back() {
  if [ ! -e "$before" ]; then
    [ "$p_by" != timer ] || return 0
    # A refused switch has changed nothing: without `before`, no switch was begun.
    case $(current_system) in
      "$p_system" | "$(cat "$went_back" 2>/dev/null)") return 0 ;;
    esac
    fail operation "the guest does not know what it ran before"
  fi
  p_toplevel=$(cat "$before")
  require_right_guest
  status "going back to $p_toplevel"
  journal "going back from $(current_system) to $p_toplevel"
  remove_files "$switched"
  stop_switches
  set_profile "$p_toplevel" || true
  run_switch "$p_toplevel" switch
  is_back || fail operation \
    "the way back to $p_toplevel failed: $(meaning "$code"): $(switch_lines)"
  write_file "$went_back" 0600 "$p_toplevel"
  remove_files "$before"
  # A timer must not stop its own service.
  [ "$p_by" = timer ] || disarm
}

lock 4 host
working
if [ -n "$p_toplevel" ]; then switch_system; else go_back; fi
finish
