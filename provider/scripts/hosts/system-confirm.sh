# shellcheck shell=sh
# needs: begin system
# The provider has logged in anew: the system stays. p_toplevel. Behind system.sh.

confirm() {
  require_ours "$record" "the NixOS system of this host"
  read_trial
  # Before that boot there is nothing to confirm.
  if [ "$phase" = booting ] && [ "$trial_boot" = "$(this_boot)" ]; then phase=rebooting; fi
  case $phase:$new:$(current_system) in
    "confirmed:$p_toplevel:$p_toplevel") ;;
    "switching:$p_toplevel:$p_toplevel" | "booting:$p_toplevel:$p_toplevel")
      journal "keeping $new: a fresh login reached it"
      put_trial confirmed
      ;;
    *) fail operation "$p_toplevel does not wait for a confirmation any more; $(current_system) runs" ;;
  esac
  disarm
  await_boot
}

# What comes behind the login finds a host that has started all that it starts, also its VMs. Long after a boot this
# returns at once.
await_boot() {
  status "waiting for the end of the boot"
  timeout --foreground "$p_switch_seconds" systemctl is-system-running --wait >/dev/null 2>&1 || true
}

lock 5 system
working
confirm
finish
