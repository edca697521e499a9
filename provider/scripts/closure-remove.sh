# shellcheck shell=sh
# Drops the GC roots; the garbage collector decides about the paths. p_name
directory=$GCROOTS/pulumi-microvm/$p_name
if [ -d "$directory" ]; then
  find "$directory" -mindepth 1 -maxdepth 1 -type l -delete
  rmdir "$directory"
  journal "dropped the GC roots of $p_name"
fi
finish
