# shellcheck shell=sh
# needs: microvm
# Stops a VM gracefully and removes what microvm-apply.sh created. The guest's /etc share and the
# images of its volumes stay, because they are data. p_name

remove_links() {
  enter_vm "$p_name"
  remove_files ./current ./old ./booted ./toplevel
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
  remove_files "$STATE/autostart/$p_name"
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
  remove_files "$GCROOTS/microvm/$p_name" "$GCROOTS/microvm/booted-$p_name" \
    "$GCROOTS/microvm/old-$p_name"
  forget_memory_target "$p_name"
  remove_files "$STATE/hardware/$p_name" "$STATE/guests/$p_name"
  remove_files "$record"
}

lock 4 host shared
lock 5 "vm.$p_name"
working
remove_vm
finish
