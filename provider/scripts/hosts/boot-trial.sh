# shellcheck shell=sh
# needs: system
# The unit pulumi-microvm-boot-trial of each system. If this boot is a trial and is not confirmed in
# time, it reboots the host. The host then boots its default, the previous system.
p_nonce=boot-trial
p_operation=$p_nonce

end_unconfirmed_boot() {
  read_trial
  [ "$phase" = booting ] || return 0
  # The requested boot has not happened yet: this is the boot in which it was requested.
  [ "$trial_boot" != "$(this_boot)" ] || return 0
  tried=$new
  [ "$(current_system)" = "$tried" ] || return 0
  sleep "$trial_seconds"
  read_trial
  case $phase:$new in
    "booting:$tried")
      journal "the boot of $tried was not confirmed; rebooting into the previous system"
      systemctl reboot
      ;;
  esac
}

end_unconfirmed_boot
