# shellcheck shell=sh
# Installs a VM in microvm.nix's layout, and starts, stops or restarts it.
# p_name p_runner p_toplevel p_running (yes|no) p_restart (`"restart":"..."`) p_record
# p_known (yes: our state knows this VM already), p_memory_target (MiB or empty). Behind vmm.sh and memory.sh.
directory=$MICROVMS/$p_name
record=$STATE/vms/$p_name.json
unit=microvm@$p_name.service

require_free() {
  require_ours "$record" "VM $p_name"
  if [ ! -e "$record" ] && [ "$p_known" = no ] &&
    { [ -L "$directory/current" ] || [ -e "$directory/flake" ]; }; then
    fail foreign "VM $p_name exists in $directory, and no stack recorded making it; it was left alone" \
      "Give this VM another name, or remove the one that is there."
  fi
}

# A change of `restart` counts against the record before this operation.
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
  [ -d "$directory" ] || install -d -m 0755 -o microvm -g kvm "$directory"
  if [ "$(stat -c %U "$directory")" != microvm ] || [ "$(stat -c %a "$directory")" != 755 ]; then
    chown microvm:kvm "$directory"
    chmod 0755 "$directory"
  fi
}

# The guest's key is there before its first boot, so the guest is pinned without trust on first use.
make_host_key() {
  key=$directory/etc/ssh/ssh_host_ed25519_key
  [ -e "$key" ] && [ -e "$key.pub" ] && return 0
  install -d -m 0755 -o root -g root "$directory/etc" "$directory/etc/ssh"
  if [ ! -e "$key" ]; then
    rm -f "$key.new" "$key.new.pub"
    ssh-keygen -q -t ed25519 -N '' -C "root@$p_name" -f "$key.new"
    mv "$key.new" "$key"
    rm -f "$key.new.pub"
    journal "made the SSH host key of $p_name"
  fi
  write_file "$key.pub" 0644 "$(ssh-keygen -y -f "$key")"
}

# set_link PATH TARGET: by rename, so the link is never absent.
set_link() {
  [ "$(readlink "$1" || true)" = "$2" ] && return 0
  rm -f "$1.new"
  ln -s "$2" "$1.new"
  mv -T "$1.new" "$1"
}

install_runner() {
  set_link "$GCROOTS/microvm/$p_name" "$directory/current"
  set_link "$GCROOTS/microvm/booted-$p_name" "$directory/booted"
  set_link "$GCROOTS/microvm/old-$p_name" "$directory/old"
  was=$(readlink "$directory/current" || true)
  if [ "$was" != "$p_runner" ]; then
    [ -z "$was" ] || set_link "$directory/old" "$was"
    set_link "$directory/current" "$p_runner"
    journal "installed $p_runner as $p_name"
  fi
  # `microvm -l` wants a toplevel link where there is no flake.
  set_link "$directory/toplevel" "$p_toplevel"
}

set_autostart() {
  if [ "$p_running" = yes ]; then
    [ -e "$STATE/autostart/$p_name" ] || write_file "$STATE/autostart/$p_name" 0644 ''
  else
    rm -f "$STATE/autostart/$p_name"
  fi
}

# is-active counts `activating` as not active: a unit that restarts in a loop does not run.
is_active() {
  systemctl -q is-active "$unit"
}

start_vm() {
  status "starting"
  systemctl reset-failed "$unit" 2>/dev/null || true
  systemctl start "$unit" || fail operation "$unit did not start: $(last_lines)"
  journal "started $p_name"
}

restart_vm() {
  status "restarting"
  systemctl restart "$unit" || fail operation "$unit did not restart: $(last_lines)"
  journal "restarted $p_name"
}

stop_vm() {
  status "stopping"
  systemctl stop "$unit" || fail operation "$unit did not stop: $(last_lines)"
  journal "stopped $p_name"
}

last_lines() {
  journalctl -q -o cat -n 5 -u "$unit" 2>/dev/null | tr '\n' ' '
}

converge_unit() {
  case $p_running in
    yes)
      if ! is_active; then start_vm
      elif [ "$(readlink "$directory/booted" || true)" != "$p_runner" ]; then restart_vm
      elif [ "$restart" = yes ]; then restart_vm
      fi ;;
    no)
      # Also a unit that is between two attempts to start.
      case $(systemctl is-active "$unit") in
        inactive | failed) ;;
        *) stop_vm ;;
      esac ;;
  esac
}

require_free
restart=no
if restart_is_new; then restart=yes; fi
make_directories
[ -e "$record" ] || write_file "$record" 0644 "$p_record"
make_host_key
install_runner
set_autostart
record_memory_target "$p_name" "$p_memory_target"
converge_unit
write_file "$record" 0644 "$p_record"
apply_memory_target "$p_name"
finish
