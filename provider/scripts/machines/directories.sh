# shellcheck shell=sh
# needs: lib
# Prints those of the paths that are no directories. Only reads.
# p_paths: separated by blanks; a path has none
read_parameters
for path in $p_paths; do
  [ -d "$path" ] || printf '%s\n' "$path"
done
finish
