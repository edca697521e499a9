# shellcheck shell=sh
# needs: begin
# Shared by closure-apply.sh and closure-remove.sh: the paths of a closure, and its removal. p_name
directory=$GCROOTS/pulumi-microvm/$p_name
record=$STATE/closures/$p_name.json

# drop_closure NAME: removes the record last, so that an interrupted removal continues.
drop_closure() {
  journal "removing the GC roots of $1"
  if [ -d "$GCROOTS/pulumi-microvm/$1" ]; then
    find "$GCROOTS/pulumi-microvm/$1" -mindepth 1 -maxdepth 1 -type l -delete
    rmdir "$GCROOTS/pulumi-microvm/$1"
  fi
  remove_files "$STATE/closures/$1.json"
}
