# shellcheck shell=sh
# needs: begin system
# Confirms a trial: the provider has reached the new system through a new login. p_toplevel

confirm() {
  require_ours "$record" "the NixOS system of this host"
  read_trial
  # A trial in phase `booting` can be confirmed only in the boot that it requested.
  if [ "$phase" = booting ] && [ "$trial_boot" = "$(this_boot)" ]; then phase=rebooting; fi
  case $phase:$new:$(current_system) in
    "confirmed:$p_toplevel:$p_toplevel") ;;
    "switching:$p_toplevel:$p_toplevel" | "booting:$p_toplevel:$p_toplevel")
      journal "keeping $new: a fresh login reached it"
      put_trial confirmed
      ;;
    *)
      fail operation "$p_toplevel cannot be confirmed: its trial has ended; $(current_system) runs"
      ;;
  esac
  disarm
  await_boot
}

# Later steps expect that the host has started all its units, also its VMs. Returns at once if the
# boot has finished.
await_boot() {
  status "waiting for the boot to finish"
  timeout --foreground "$p_switch_seconds" systemctl is-system-running --wait \
    >/dev/null 2>&1 || true
}

lock 5 system
working
confirm
finish
