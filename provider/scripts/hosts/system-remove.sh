# shellcheck shell=sh
# needs: begin system
# Removes the ownership record and the GC roots of the host's system. The system itself stays.

forget_system() {
  [ -e "$record" ] || return 0
  require_ours "$record" "the NixOS system of this host"
  read_trial
  case $phase in
    none) ;;
    *) fail operation "the trial of $new is not over ($phase)" \
      "Run up first, or wait until the host has rolled back." ;;
  esac
  journal "removing the record of the NixOS system"
  remove_files "$roots/toplevel" "$roots/previous" "$rolled_back"
  [ ! -d "$roots" ] || rmdir "$roots"
  remove_files "$record"
}

lock 5 system
working
forget_system
finish
