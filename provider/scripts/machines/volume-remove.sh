# shellcheck shell=sh
# needs: volume hold image-use
# Removes a volume: its image is kept, moved to the trash, or deleted. The record is removed last,
# so that an interrupted removal continues in the next run. p_key p_image p_vm p_on_delete p_record
# p_known: yes if the Pulumi state has this volume
what="volume $p_key ($p_image)"
directory=${p_image%/*}
# The name of the image. enter.sh has entered its directory.
file=${p_image##*/}

# The trash can be on another file system: the image gets its final name there only when the copy is
# complete.
trash_volume() {
  [ "$(phase)" = trashing ] || put_record trashing
  trash_place
  journal "moving $what to $trash.img"
  mkdir -p "$STATE/trash"
  if [ -d "$directory" ]; then move_image; fi
  if [ -e "$trash.img.new" ]; then mv -nT "$trash.img.new" "$trash.img"; fi
  release_vm
  mv -n "$record" "$trash.json"
}

move_image() {
  enter_image_directory "$p_image"
  if [ -e "./$file" ]; then
    rm -f "$trash.img.new"
    # On another file system, `mv` copies. An incomplete copy must not use space there.
    if ! mv -T "./$file" "$trash.img.new"; then
      rm -f "$trash.img.new"
      exit 1
    fi
  fi
  remove_directory
}

delete_volume() {
  journal "deleting $what"
  put_record deleting
  if [ -d "$directory" ]; then delete_image; fi
  release_vm
  remove_files "$record"
}

delete_image() {
  enter_image_directory "$p_image"
  rm -f "./$file"
  remove_directory
}

# Removes the image's directory if it is empty. A directory outside /var/lib/microvms belongs to the
# administrator and stays.
remove_directory() {
  rm -rf "./$file.pulumi-microvm-new"
  cd -P ..
  case $directory in "$MICROVMS"/*) ;; *) return 0 ;; esac
  rmdir "./${directory##*/}" 2>/dev/null || true
}

# The record was lost. With onDelete: retain it is written again, so that the next up recognises the
# image. In the other cases the image stays too, because nothing on the host shows its owner.
keep_unrecorded() {
  if [ "$p_known:$p_on_delete" = yes:retain ] && [ -f "$p_image" ]; then
    journal "keeping $what, whose record was lost"
    mkdir -p "$STATE/volumes"
    put_record retained
  fi
}

# The image stays at its path. Its VM may continue to use it.
keep_volume() {
  release_vm
  [ "$(phase)" != retained ] || return 0
  journal "keeping $what"
  put_record retained
}

require_unused() {
  image_is_in_use "$p_image" || return 0
  release_vm
  fail operation "$what is in use: $p_vm runs with it, or another program has it open" \
    "Restart $p_vm (restart: in the site), or stop microvm@$p_vm on the host. Then run up again."
}

# Another volume has a record for this image: it took it over (volume-apply.sh). The image does not
# belong to this volume any more, whatever onDelete says.
is_taken_over() {
  set -- "$STATE"/volumes/*.json
  [ -e "$1" ] || return 1
  grep -Fl "\"image\":\"$p_image\"" -- "$@" | grep -Fqvx "$record"
}

remove_volume() {
  if is_taken_over; then
    require_ours "$record" "$what"
    release_vm
    remove_files "$record"
    return 0
  fi
  if [ ! -e "$record" ]; then
    keep_unrecorded
    release_vm
    return 0
  fi
  require_ours "$record" "$what"
  if [ "$p_on_delete" = retain ]; then
    keep_volume
    return 0
  fi
  # A stopped VM must not start meanwhile. A VM that runs without this disk keeps running.
  hold_vm || true
  require_unused
  case $p_on_delete in
    trash) trash_volume ;;
    delete) delete_volume ;;
    *) fail input "unknown onDelete $p_on_delete" ;;
  esac
}

lock 4 host shared
lock 5 "volume.$p_key"
working
remove_volume
finish
