# shellcheck shell=sh
# needs: begin memory slots
# Shared by the scripts of a VM: its paths, its record, its links, and its rollback.
# Phases of the record:
#   ready       nothing is pending
#   starting    started; the guest has not responded yet
#   switching   the same, and `old` names the runner for the rollback
#   activating  in a live switch, and `old` names the runner for the rollback
#   renaming    stopped for a rename, or not started under the new name yet
directory=$MICROVMS/$p_name
record=$STATE/vms/$p_name.json
unit=microvm@$p_name.service

# After this, `directory` is the current directory: enter.sh.
enter_own_directory() {
  enter_vm "$p_name"
  directory=.
}

put_record() {
  write_file "$record" 0644 "$p_record$1\"}"
}

# put_phase PHASE: changes only the phase, so other pending changes stay pending.
put_phase() {
  write_file "$record" 0644 \
    "$(sed "s/,\"phase\":\"[a-z]*\"}\$/}/; s/}\$/,\"phase\":\"$1\"}/" "$record")"
}

recorded_phase() {
  known_phase=$(sed -n 's/.*"phase":"\([a-z]*\)".*/\1/p' "$record" 2>/dev/null || true)
  printf '%s\n' "${known_phase:-ready}"
}

# is-active counts `activating` as not active: a unit that restarts in a loop does not run.
is_active() {
  require_answer systemctl is-active "$unit"
  [ "$answer_code" = 0 ]
}

last_lines() {
  journalctl -q -o cat -n 5 -u "$unit" 2>/dev/null || true
}

# The guest's key exists before its first boot, so the provider can pin it from the start. The key
# is created in a directory that only root can enter, and then moved to the share, where the guest
# can write too.
make_host_key() {
  key=ssh_host_ed25519_key
  make_entered etc
  make_entered ssh
  if [ ! -f "./$key" ] || [ -L "./$key" ]; then
    require_own_directory
    journal "making the SSH host key of $p_name"
    rm -rf "$RUN/host-key.$p_name"
    mkdir -m 0700 "$RUN/host-key.$p_name"
    ssh-keygen -q -t ed25519 -N '' -C "root@$p_name" -f "$RUN/host-key.$p_name/key"
    put_new "$key" <"$RUN/host-key.$p_name/key"
    rm -rf "$RUN/host-key.$p_name" "./$key.pub"
  fi
  if [ ! -f "./$key.pub" ] || [ -L "./$key.pub" ]; then
    require_own_directory
    public=$(ssh-keygen -y -f "./$key")
    umask 022
    printf '%s\n' "$public" | put_new "$key.pub"
    umask 077
  fi
  enter_vm "$p_name"
}

# stop_for_good: also stops the tap device and the shares, which no other unit uses.
stop_for_good() {
  ask_state "$unit"
  case $unit_state in
    inactive | failed) ;;
    *) order systemctl stop "$unit" || fail operation "$unit did not stop: $(last_lines)" ;;
  esac
  instance=${unit#microvm@}
  order systemctl stop "microvm-tap-interfaces@$instance" "microvm-virtiofsd@$instance" \
    2>/dev/null || true
  systemctl reset-failed "$unit" 2>/dev/null || true
}

# install_previous: installs the runner that `old` names.
install_previous() {
  previous=$(readlink "$directory/old")
  journal "rolling $p_name back to $previous"
  set_link "$directory/current" "$previous"
  system=$(readlink "$previous/share/microvm/system" || true)
  [ -z "$system" ] || set_link "$directory/toplevel" "$system"
}

# put_back: restarts the VM on the runner that `old` names. Data volumes are not changed.
put_back() {
  install_previous
  status "rolling back to $previous"
  order systemctl stop "$unit" || true
  start_unit || fail operation \
    "$unit did not start with $previous, its previous runner, either: $(last_lines)"
  put_phase ready
}

# start_unit: starts the unit within p_start_seconds. If a condition prevents the start, systemd
# reports no error. The job of a start that timed out is canceled.
start_unit() {
  systemctl reset-failed "$unit" 2>/dev/null || true
  code=0
  order timeout --foreground "$p_start_seconds" systemctl start "$unit" || code=$?
  if [ "$code" = 124 ]; then systemctl cancel "$unit" 2>/dev/null || true; fi
  [ "$code" = 0 ] || return 1
  require_answer systemctl show --property=ConditionResult --value "$unit"
  [ "$answer" != no ] || fail operation \
    "$unit did not start: one of its conditions prevents it ($(held_volumes))" \
    "Run up again: it finishes the work on the volume first."
}

held_volumes() {
  find "$STATE/held/$p_name" -type f -printf '%f ' 2>/dev/null || true
}
