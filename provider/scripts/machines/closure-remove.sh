# shellcheck shell=sh
# needs: closure
# Drops the GC roots; the garbage collector decides about the paths. p_name
remove_closure() {
  require_ours "$record" "closure $p_name"
  [ -e "$record" ] || [ -d "$directory" ] || return 0
  drop_closure "$p_name"
}

lock 5 "closure.$p_name"
working
remove_closure
finish
