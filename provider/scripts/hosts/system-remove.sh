# shellcheck shell=sh
# needs: begin system
# The system stays as it is, and is nobody's from now on. Behind system.sh.

forget_system() {
  [ -e "$record" ] || return 0
  require_ours "$record" "the NixOS system of this host"
  read_trial
  case $phase in
    none) ;;
    *) fail operation "a trial of $new is $phase" "Run up first, or wait until the host has gone back." ;;
  esac
  journal "leaving the NixOS system to itself"
  rm -f "$roots/toplevel" "$roots/previous" "$rolled_back"
  [ ! -d "$roots" ] || rmdir "$roots"
  rm -f "$record"
}

lock 5 system
working
forget_system
finish
