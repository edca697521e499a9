# shellcheck shell=sh
# The provider has logged in anew: the system stays. p_toplevel. Behind system.sh.

confirm() {
  require_ours "$record" "the NixOS system of this host"
  read_trial
  case $phase:$new:$(current_system) in
    "confirmed:$p_toplevel:$p_toplevel") return 0 ;;
    "switching:$p_toplevel:$p_toplevel") ;;
    *) fail operation "$p_toplevel does not wait for a confirmation any more; $(current_system) runs" ;;
  esac
  journal "keeping $new: a fresh login reached it"
  put_trial confirmed
  disarm
}

confirm
finish
