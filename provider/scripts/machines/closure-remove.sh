# shellcheck shell=sh
# Drops the GC roots; the garbage collector decides about the paths. p_name
directory=$GCROOTS/pulumi-microvm/$p_name
record=$STATE/closures/$p_name.json

remove_closure() {
  require_ours "$record" "closure $p_name"
  [ -e "$record" ] || [ -d "$directory" ] || return 0
  journal "dropping the GC roots of $p_name"
  if [ -d "$directory" ]; then
    find "$directory" -mindepth 1 -maxdepth 1 -type l -delete
    rmdir "$directory"
  fi
  rm -f "$record"
}

remove_closure
finish
