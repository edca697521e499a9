# shellcheck shell=sh
# needs: microvm
# Stops a VM gracefully and removes what microvm-apply.sh created. The guest's /etc share and the
# images of its volumes stay, because they are data. p_name

remove_links() {
  enter_vm "$p_name"
  for link in current old booted toplevel; do rm -f "./$link"; done
  cd "$MICROVMS"
  rmdir "./$p_name" 2>/dev/null || true
}

# Removes the record last. Without a record, the VM is not ours or was removed already.
remove_vm() {
  if [ ! -e "$record" ]; then
    [ -L "$directory/current" ] || return 0
    fail foreign "VM $p_name has no ownership record; nothing was changed" \
      "Add it to the site and run up, or stop $unit and delete its links in $directory by hand."
  fi
  require_ours "$record" "VM $p_name"
  journal "removing $p_name"
  rm -f "$STATE/autostart/$p_name"
  ask_state "$unit"
  case $unit_state in
    inactive | failed) ;;
    *)
      take_slot "$p_name" 600
      status "stopping"
      ;;
  esac
  stop_for_good
  if [ -d "$directory" ]; then remove_links; fi
  for root in "$p_name" "booted-$p_name" "old-$p_name"; do rm -f "$GCROOTS/microvm/$root"; done
  forget_memory_target "$p_name"
  rm -f "$STATE/hardware/$p_name" "$STATE/guests/$p_name"
  rm -f "$record"
}

lock 4 host shared
lock 5 "vm.$p_name"
working
remove_vm
finish
