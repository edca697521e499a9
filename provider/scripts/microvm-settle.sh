# shellcheck shell=sh
# Ends a start: the guest was seen, or it was given up and goes back to its previous runner.
# p_name p_outcome (confirmed|failed)

settle() {
  [ -e "$record" ] || fail operation "VM $p_name has no ownership record any more"
  require_ours "$record" "VM $p_name"
  case $p_outcome:$(recorded_phase) in
    confirmed:*) put_phase ready ;;
    failed:switching)
      enter_vm "$p_name"
      directory=.
      put_back
      if is_active; then apply_memory_target "$p_name"; fi
      ;;
    failed:*) ;;
  esac
}

settle
finish
