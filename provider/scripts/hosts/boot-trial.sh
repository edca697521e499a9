# shellcheck shell=sh
# Unit pulumi-microvm-boot-trial of each system, behind lib.sh and system.sh: in a boot on trial that nobody confirms
# it restarts the host, which brings the default back: the system before.
p_nonce=boot-trial
p_operation=$p_nonce

end_unconfirmed_boot() {
  read_trial
  [ "$phase" = booting ] || return 0
  # The boot that was asked for has not come: this is the one that the host was to be rebooted from.
  [ "$trial_boot" != "$(this_boot)" ] || return 0
  tried=$new
  [ "$(current_system)" = "$tried" ] || return 0
  sleep "$trial_seconds"
  read_trial
  case $phase:$new in
    "booting:$tried")
      journal "nobody confirmed the boot of $tried; restarting into the system before"
      systemctl reboot
      ;;
  esac
}

end_unconfirmed_boot
