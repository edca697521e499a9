# shellcheck shell=sh
# The provider has logged in anew: the system stays. p_toplevel. Behind system.sh.

confirm() {
  require_ours "$record" "the NixOS system of this host"
  read_trial
  # Before that boot there is nothing to confirm.
  if [ "$phase" = booting ] && [ "$trial_boot" = "$(this_boot)" ]; then phase=rebooting; fi
  case $phase:$new:$(current_system) in
    "confirmed:$p_toplevel:$p_toplevel") return 0 ;;
    "switching:$p_toplevel:$p_toplevel" | "booting:$p_toplevel:$p_toplevel") ;;
    *) fail operation "$p_toplevel does not wait for a confirmation any more; $(current_system) runs" ;;
  esac
  journal "keeping $new: a fresh login reached it"
  booted=$phase
  put_trial confirmed
  disarm
  if [ "$booted" = booting ]; then await_boot; fi
}

# What comes behind the login finds a host that has started all that it starts, also its VMs.
await_boot() {
  status "waiting for the end of the boot"
  timeout "$p_switch_seconds" systemctl is-system-running --wait >/dev/null 2>&1 || true
}

confirm
finish
