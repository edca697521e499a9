# shellcheck shell=sh
# needs: microvm
# Renames a VM: it stops, and its directory, its records and its settings move. Its links to runners
# are removed, because runners contain the old name. So nothing can start the VM before
# microvm-apply.sh has installed a runner with the new name. Images and the /etc share move with the
# directory.
# p_from p_name: the old and the new name
# p_stack: the prefix of the owner in each record of this stack
# p_start_seconds p_parallelism: slots.sh
#
# The record of the VM says `renaming` from the start and moves last, so that an interrupted rename
# is found and continues. closure-apply.sh moves the roots of the closure.
old=$MICROVMS/$p_from
new=$MICROVMS/$p_name
record=$STATE/vms/$p_from.json
unit=microvm@$p_from.service

require_names() {
  case $p_from/$p_name in
    */*/* | *[!a-z0-9/-]* | /* | */) fail input "$p_from or $p_name is not the name of a VM" ;;
  esac
}

# Sorted by name, so that two renames never wait for each other.
lock_both() {
  first=$(printf '%s\n' "$p_from" "$p_name" | sort | head -n 1)
  if [ "$first" = "$p_from" ]; then second=$p_name; else second=$p_from; fi
  lock 5 "vm.$first"
  lock 6 "vm.$second"
}

is_unmoved() {
  for found in "$record" "$STATE/volumes/$p_from".*.json; do
    [ ! -e "$found" ] || return 0
  done
  return 1
}

require_renamable() {
  for found in "$record" "$STATE/volumes/$p_from".*.json; do
    [ -e "$found" ] || continue
    text=$(cat "$found")
    case $text in
      *"$p_stack"*) ;;
      *) fail owned "VM $p_from belongs to $(urn_of "$found")" "Remove it from that stack first." ;;
    esac
    case $text in
      *'"phase":"trashing"'* | *'"phase":"deleting"'*) fail operation \
        "the removal of volume $(basename "$found" .json) was interrupted; nothing was changed" \
        "Run up with the old name $p_from first: it finishes the removal." ;;
    esac
  done
  require_new_name_is_free
  [ -e "$old" ] || [ -L "$old" ] || return 0
  if [ -L "$old" ] || [ "$(stat -c %m "$old")" = "$old" ]; then
    fail operation "$old is a link or a mount point, and can't be renamed; nothing was changed" \
      "Make it a plain directory in $MICROVMS, or keep the name $p_from."
  fi
}

# If an earlier run has moved the directory, it has no links to runners, and the old one is gone.
require_new_name_is_free() {
  taken=
  if [ -e "$STATE/vms/$p_name.json" ] || [ -L "$new/current" ] || [ -e "$new/flake" ] ||
    [ -L "$new" ]; then
    taken="there is a VM $p_name already"
  elif [ -e "$new" ] && [ -e "$old" ]; then
    taken="$new exists already"
  fi
  [ -z "$taken" ] || fail foreign \
    "VM $p_from can't be renamed to $p_name: $taken; nothing was changed" \
    "Use another name, or remove the existing object."
}

# Without the link `current`, nothing can start the unit. Stopping it uses `booted`.
stop_old() {
  case $(systemctl is-active "$unit") in
    inactive | failed) stopped=yes ;;
    *)
      stopped=no
      take_slot "$p_name" 600 ;;
  esac
  if [ -d "$old" ]; then
    cd "$MICROVMS"
    enter "$p_from"
    remove_files ./current
    cd "$MICROVMS"
  fi
  [ "$stopped" = yes ] || status "stopping $p_from"
  stop_for_good
}

move_directory() {
  [ -d "$old" ] || return 0
  cd "$MICROVMS"
  enter "$p_from"
  remove_files ./old ./booted ./toplevel
  cd "$MICROVMS"
  mv -nT "./$p_from" "./$p_name"
  [ ! -e "./$p_from" ] || fail foreign "$new was created in the meantime; $old was not moved" \
    "Remove $new if it is not needed, and run up again."
}

# move FILE NAME: renames a file in its directory.
move() {
  [ ! -e "$1" ] || mv -fT "$1" "${1%/*}/$2"
}

# Drops the hardware of the old runners, and the target that the ended VMM has received.
move_settings() {
  move "$STATE/autostart/$p_from" "$p_name"
  move "$STATE/memory/$p_from" "$p_name"
  remove_files "$RUN/memory/$p_from" "$STATE/hardware/$p_from" "$STATE/guests/$p_from"
  remove_files "$GCROOTS/microvm/$p_from" "$GCROOTS/microvm/booted-$p_from" \
    "$GCROOTS/microvm/old-$p_from"
}

# Moves the hold of interrupted work on a volume, which is found under the new key.
move_holds() {
  holds=$STATE/held/$p_from
  [ -d "$holds" ] || return 0
  mkdir -p "$STATE/held/$p_name"
  chmod 0755 "$STATE/held/$p_name"
  for held in "$holds/$p_from".*; do
    [ ! -e "$held" ] || mv -fT "$held" "$STATE/held/$p_name/$p_name.${held##*/"$p_from".}"
  done
  rmdir "$holds"
}

# replace_in_text TEXT REPLACEMENT: replaces the first occurrence in `text`. Names are not patterns.
replace_in_text() {
  case $text in
    *"$1"*) text=${text%%"$1"*}$2${text#*"$1"} ;;
  esac
}

# Keeps the owners, because the state of the stack knows the volumes by them until they converge. A
# retained volume is in no state, so its record gets the new name at once.
move_volumes() {
  for found in "$STATE/volumes/$p_from".*.json; do
    [ -e "$found" ] || continue
    volume=${found##*/"$p_from".}
    volume=${volume%.json}
    text=$(cat "$found")
    replace_in_text "\"image\":\"$old/" "\"image\":\"$new/"
    case $text in
      *'"phase":"retained"'*) replace_in_text "::$p_from-$volume\"" "::$p_name-$volume\"" ;;
    esac
    write_file "$STATE/volumes/$p_name.$volume.json" 0644 "$text"
    remove_files "$found"
  done
}

rename_vm() {
  require_renamable
  journal "renaming $p_from to $p_name"
  [ ! -e "$record" ] || put_phase renaming
  stop_old
  move_directory
  move_settings
  move_holds
  move_volumes
  move "$record" "$p_name.json"
}

require_names
lock 4 host shared
lock_both
working
if is_unmoved; then rename_vm; fi
finish
