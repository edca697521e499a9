# shellcheck shell=sh
# needs: begin
# What closure-apply.sh and closure-remove.sh share: the places of a closure, and its end. p_name
directory=$GCROOTS/pulumi-microvm/$p_name
record=$STATE/closures/$p_name.json

# drop_closure NAME: the record goes last, so an interrupted removal goes on.
drop_closure() {
  journal "removing the GC roots of $1"
  if [ -d "$GCROOTS/pulumi-microvm/$1" ]; then
    find "$GCROOTS/pulumi-microvm/$1" -mindepth 1 -maxdepth 1 -type l -delete
    rmdir "$GCROOTS/pulumi-microvm/$1"
  fi
  rm -f "$STATE/closures/$1.json"
}
