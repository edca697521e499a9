# shellcheck shell=sh
# Stops a VM gracefully and removes what microvm-apply.sh made. The guest's /etc share and the images
# of its volumes stay: they are data. p_name. Behind memory.sh.
directory=$MICROVMS/$p_name
record=$STATE/vms/$p_name.json
unit=microvm@$p_name.service

remove_vm() {
  [ -e "$record" ] || [ -L "$directory/current" ] || return 0
  require_ours "$record" "VM $p_name"
  journal "removing $p_name"
  rm -f "$STATE/autostart/$p_name"
  case $(systemctl is-active "$unit") in
    inactive | failed) ;;
    *)
      status "stopping"
      systemctl stop "$unit" || fail operation "$unit did not stop"
      ;;
  esac
  # The tap device and the shares have no other user.
  systemctl stop "microvm-tap-interfaces@$p_name.service" "microvm-virtiofsd@$p_name.service" 2>/dev/null || true
  systemctl reset-failed "$unit" 2>/dev/null || true
  for link in current old booted toplevel; do rm -f "$directory/$link"; done
  for root in "$p_name" "booted-$p_name" "old-$p_name"; do rm -f "$GCROOTS/microvm/$root"; done
  rmdir "$directory" 2>/dev/null || true
  forget_memory_target "$p_name"
  rm -f "$STATE/hardware/$p_name"
  rm -f "$record"
}

remove_vm
finish
