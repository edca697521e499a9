# shellcheck shell=sh
# needs: begin
# Removes the GC roots of a closure. The garbage collector removes the store paths later. p_name
directory=$GCROOTS/pulumi-microvm/$p_name
record=$STATE/closures/$p_name.json

remove_closure() {
  require_ours "$record" "closure $p_name"
  [ -e "$record" ] || [ -d "$directory" ] || return 0
  journal "removing the GC roots of $p_name"
  if [ -d "$directory" ]; then
    find "$directory" -mindepth 1 -maxdepth 1 -type l -delete
    rmdir "$directory"
  fi
  rm -f "$record"
}

lock 5 "closure.$p_name"
working
remove_closure
finish
