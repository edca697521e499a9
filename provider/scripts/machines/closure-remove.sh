# shellcheck shell=sh
# needs: closure
# Removes the GC roots of a closure. The garbage collector removes the store paths later. p_name
remove_closure() {
  require_ours "$record" "closure $p_name"
  [ -e "$record" ] || [ -d "$directory" ] || return 0
  drop_closure "$p_name"
}

lock 5 "closure.$p_name"
working
remove_closure
finish
