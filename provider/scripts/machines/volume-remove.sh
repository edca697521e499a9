# shellcheck shell=sh
# Takes a volume out of our records; its image is kept, put aside, or deleted. The record goes last: as
# long as it is there, an interrupted removal goes on. Behind vmm.sh and volume.sh. p_key p_image p_vm p_on_delete p_record
# p_known (yes: our state knows this volume)
what="volume $p_key ($p_image)"
directory=${p_image%/*}
# In its directory, which enter.sh entered.
file=${p_image##*/}

# What is moved to another file system takes its name there when it is whole.
trash_volume() {
  [ "$(phase)" = trashing ] || put_record trashing
  trash_place
  journal "moving $what to $trash.img"
  mkdir -p "$STATE/trash"
  if [ -d "$directory" ]; then move_image; fi
  if [ -e "$trash.img.new" ]; then mv -nT "$trash.img.new" "$trash.img"; fi
  mv -n "$record" "$trash.json"
}

move_image() {
  enter_image_directory "$p_image"
  if [ -e "./$file" ]; then
    rm -f "$trash.img.new"
    mv -T "./$file" "$trash.img.new"
  fi
  remove_directory
}

delete_volume() {
  journal "deleting $what"
  put_record deleting
  if [ -d "$directory" ]; then delete_image; fi
  rm -f "$record"
}

delete_image() {
  enter_image_directory "$p_image"
  rm -f "./$file"
  remove_directory
}

# Only where nothing else is left in it, and never one of the administrator's.
remove_directory() {
  rm -rf "./$file.pulumi-microvm-new"
  cd -P ..
  case $directory in "$MICROVMS"/*) ;; *) return 0 ;; esac
  rmdir "./${directory##*/}" 2>/dev/null || true
}

# The record was lost. What stays gets one again, else the next `up` could not know that it is ours; what
# would go stays too: nothing on the host says whose it is.
keep_unrecorded() {
  if [ "$p_known:$p_on_delete" = yes:retain ] && [ -f "$p_image" ]; then
    journal "keeping $what, whose record was lost"
    mkdir -p "$STATE/volumes"
    put_record retained
  fi
}

remove_volume() {
  if [ ! -e "$record" ]; then
    keep_unrecorded
    return 0
  fi
  require_ours "$record" "$what"
  if ! vm_is_stopped "$p_vm"; then
    fail operation "volume $p_key is in use: its VM runs" \
      "If an interrupted up left $p_vm running, put it into the site again, run up, and take it out. Else stop microvm@$p_vm first."
  fi
  case $p_on_delete in
    retain)
      [ "$(phase)" != retained ] || return 0
      journal "keeping $what"
      put_record retained
      ;;
    trash) trash_volume ;;
    delete) delete_volume ;;
    *) fail input "unknown onDelete $p_on_delete" ;;
  esac
}

remove_volume
finish
