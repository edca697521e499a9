# shellcheck shell=sh
# needs: microvm
# Ends a start or a live switch. confirmed: the guest has responded. failed: the VM restarts on its
# previous runner. reverted: the guest switched back to its previous system and keeps running.
# p_name p_outcome (confirmed|failed|reverted) p_runner (the runner that was waited for)

# Another operator may have installed another runner in the meantime, which nobody has confirmed.
require_installed() {
  installed=$(readlink "$directory/current" || true)
  [ "$installed" = "$p_runner" ] || fail operation \
    "VM $p_name has ${installed:-no runner} installed, not $p_runner; nothing was confirmed" \
    "If nobody else works on this VM, run up again."
}

settle() {
  [ -e "$record" ] || fail operation "VM $p_name has no ownership record any more"
  require_ours "$record" "VM $p_name"
  case $p_outcome:$(recorded_phase) in
    confirmed:*)
      require_installed
      put_phase ready
      ;;
    reverted:activating)
      enter_own_directory
      install_previous
      put_phase ready
      ;;
    failed:switching | failed:activating)
      enter_own_directory
      put_back
      if is_active; then apply_memory_target "$p_name"; fi
      ;;
    *) ;;
  esac
}

lock 4 host shared
lock 5 "vm.$p_name"
working
settle
finish
