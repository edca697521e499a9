# shellcheck shell=sh
# needs: microvm tap
# Installs a VM in microvm.nix's layout, and starts, stops or restarts it. A start stays unconfirmed
# until the provider has seen the guest: microvm-settle.sh ends it. A live switch is only recorded
# here; guest-switch.sh does it in the guest.
# p_name p_runner p_toplevel
# p_running: yes or no
# p_restart: `"restart":"..."`
# p_record: the ownership record up to its phase
# p_known: yes if the provider's state has this VM already
# p_memory_target: MiB, or empty
# p_hardware: hash of what the VMM gets with p_runner, or empty
# p_guest: the system, the guest's address and its host name; `-` where one is not known
# p_running_guest: the same of the system that runs, or empty
# p_bridge: the bridge that the tap of the running VM is to be connected to again, or empty
# p_update: what a running VM needs: nothing, install, restart or switch; start if it does not run
# p_seen: the InvocationID of the start that p_update was decided on
# p_start_seconds: how long a start may take
# p_parallelism: slots.sh
require_free() {
  require_ours "$record" "VM $p_name"
  if [ ! -e "$record" ] && [ "$p_known" = no ] &&
    { [ -L "$directory/current" ] || [ -e "$directory/flake" ]; }; then
    fail foreign \
      "VM $p_name exists in $directory, and no stack recorded making it; nothing was changed" \
      "To adopt it, set import: true on the VM. Otherwise give this VM another name."
  fi
}

# Compares `restart` with the record from before this operation.
restart_is_new() {
  [ -e "$record" ] || return 1
  old=$(cat "$record")
  case $old in
    *"$p_restart"*) return 1 ;;
  esac
}

make_directories() {
  mkdir -p "$STATE/vms" "$STATE/autostart" "$GCROOTS/microvm"
  chmod 0755 "$STATE/autostart" "$GCROOTS/microvm"
  enter_own_directory
}

# Sets `previous` to the runner for a rollback: the last confirmed one, or the running one, or the
# installed one.
find_previous() {
  case $phase in
    switching | activating) previous=$(readlink "$directory/old" || true) ;;
    *)
      if is_active; then
        previous=$(running_runner)
      else
        previous=$(readlink "$directory/current" || true)
      fi
      ;;
  esac
}

# The runner of the system that the guest reports. It differs from the installed one if the update
# waits for the next boot. If no link here names such a runner: the one that the guest was started
# with.
running_runner() {
  said=$(readlink "$directory/etc/pulumi-microvm/system" || true)
  for link in current old booted; do
    [ -n "$said" ] || break
    runner=$(readlink "$directory/$link") || continue
    if [ "$(readlink "$runner/share/microvm/system" || true)" = "$said" ]; then
      printf '%s\n' "$runner"
      return 0
    fi
  done
  readlink "$directory/booted" || true
}

# Records the hash of the VMM's configuration for each runner that a link names.
record_hardware() {
  [ -n "$p_hardware" ] || return 0
  mkdir -p "$STATE/hardware"
  known=$(cat "$STATE/hardware/$p_name" 2>/dev/null || true)
  lines="$p_runner $p_hardware"
  for link in current booted old; do
    runner=$(readlink "$directory/$link") || continue
    line=$(printf '%s\n' "$known" | grep -F "$runner " || true)
    case $lines in
      *"$runner "*) ;;
      *) [ -z "$line" ] || lines="$lines
$line" ;;
    esac
  done
  [ "$lines" = "$known" ] || write_file "$STATE/hardware/$p_name" 0644 "$lines"
}

# Where the guest is with each system that it may run: a live switch has to log in.
record_guests() {
  said=$(readlink "$directory/etc/pulumi-microvm/system" || true)
  known=$(cat "$STATE/guests/$p_name" 2>/dev/null || true)
  lines=$p_guest
  for system in "$(readlink "$directory/toplevel" || true)" "$said" "${p_running_guest%% *}"; do
    case $lines in
      *"$system "*) continue ;;
    esac
    line=$(printf '%s\n' "$known" | grep -F "$system " || true)
    [ -n "$line" ] || line=$(printf '%s\n' "$p_running_guest" | grep -F "$system " || true)
    [ -z "$line" ] || lines="$lines
$line"
  done
  mkdir -p "$STATE/guests"
  [ "$lines" = "$known" ] || write_file "$STATE/guests/$p_name" 0644 "$lines"
}

install_runner() {
  set_link "$GCROOTS/microvm/$p_name" "$MICROVMS/$p_name/current"
  set_link "$GCROOTS/microvm/booted-$p_name" "$MICROVMS/$p_name/booted"
  set_link "$GCROOTS/microvm/old-$p_name" "$MICROVMS/$p_name/old"
  record_hardware
  record_guests
  find_previous
  if [ -n "$previous" ] && [ "$previous" != "$p_runner" ]; then
    set_link "$directory/old" "$previous"
  else
    previous=
  fi
  installed=before
  if [ "$(readlink "$directory/current" || true)" != "$p_runner" ]; then
    installed=now
    journal "installing $p_runner as $p_name"
    set_link "$directory/current" "$p_runner"
  fi
  # `microvm -l` expects a toplevel link if there is no flake.
  set_link "$directory/toplevel" "$p_toplevel"
}

set_autostart() {
  mark=$STATE/autostart/$p_name
  if [ "$p_running" = yes ] && [ ! -e "$mark" ]; then
    journal "starting $p_name at boot from now on"
    write_file "$mark" 0644 ''
  elif [ "$p_running" = no ] && [ -e "$mark" ]; then
    journal "not starting $p_name at boot any more"
    remove_files "$mark"
  fi
}

# Recorded before the start, so that the next run knows whether to confirm or to roll back.
begin_start() {
  if [ -n "$previous" ]; then phase=switching; else phase=starting; fi
  put_phase "$phase"
  make_host_key
}

start_vm() {
  begin_start
  status "starting"
  journal "starting $p_name"
  start_unit || start_failed "did not start"
}

restart_vm() {
  begin_start
  status "restarting"
  journal "restarting $p_name"
  order systemctl stop "$unit" || start_failed "did not stop"
  start_unit || start_failed "did not restart"
}

start_failed() {
  why="$unit $1: $(last_lines)"
  [ "$phase" = switching ] || fail operation "$why"
  put_back
  fail operation "$why; it was rolled back to $previous"
}

stop_vm() {
  status "stopping"
  journal "stopping $p_name"
  order systemctl stop "$unit" || fail operation "$unit did not stop: $(last_lines)"
}

# From here on, `old` names the runner for a rollback. If no other runner was installed, that is the
# installed one. An earlier run may have recorded it already, together with the phase.
begin_switch() {
  [ "$phase:$installed" != activating:before ] || return 0
  [ -n "$previous" ] || set_link "$directory/old" "$p_runner"
  journal "switching $p_name to $p_toplevel while it runs"
  phase=activating
  put_phase "$phase"
}

# A restart is not repeated: another operator may have restarted the VM in the meantime.
needs_restart() {
  [ "$restart" = no ] || return 0
  case $p_update in
    start | restart) [ "$(readlink "$directory/booted" || true)" = "$p_runner" ] || return 0 ;;
  esac
  [ "$p_update" = restart ] || return 1
  require_answer systemctl show --property=InvocationID --value "$unit"
  [ "$answer" = "$p_seen" ]
}

converge_unit() {
  case $p_running in
    yes)
      if ! is_active; then
        take_slot "$p_name" "$p_start_seconds"
        start_vm
      elif needs_restart; then
        take_slot "$p_name" "$p_start_seconds"
        restart_vm
      elif [ "$p_update" = switch ]; then begin_switch
      fi ;;
    no)
      make_host_key
      # Includes a unit that waits between two attempts to start.
      ask_state "$unit"
      case $unit_state in
        inactive | failed) ;;
        *)
          take_slot "$p_name" "$p_start_seconds"
          stop_vm
          ;;
      esac
      phase=ready ;;
  esac
}

lock 4 host shared
lock 5 "vm.$p_name"
working
require_free
restart=no
if restart_is_new; then restart=yes; fi
phase=$(recorded_phase)
make_directories
[ -e "$record" ] || put_record "$phase"
install_runner
set_autostart
record_memory_target "$p_name" "$p_memory_target"
converge_unit
put_record "$phase"
if [ "$phase" != ready ]; then awaits_guest=yes; fi
if is_active; then
  if [ -n "$p_bridge" ]; then connect_taps "$p_bridge"; fi
  apply_memory_target "$p_name"
fi
finish
