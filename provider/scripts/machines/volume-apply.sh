# shellcheck shell=sh
# needs: volume hold
# Creates a volume's image once, and grows it in place. Never shrinks an image, and never formats it
# again. A volume that grows while its VM runs stays in phase `growing` until the guest has grown
# the file system and volume-grown.sh has run. p_record p_image p_bytes p_fs p_label p_vm p_key
# p_known: yes if the Pulumi state has this volume; then a lost record is written again
# p_adopt: key of the volume that had the image before, or empty
# p_stack: how the owner in each record of this stack begins

image_name="volume $p_key ($p_image)"
# The names of the image and of its staging directory. enter.sh has entered the directory of both.
file=${p_image##*/}
stage=$file.pulumi-microvm-new
# The image after open_image has opened it.
image=/proc/self/fd/8

# tag NAME: prints what blkid finds as TYPE or LABEL; nothing if it finds none.
tag() {
  blkid -p -o value -s "$1" -- "$image" 2>/dev/null || true
}

# Removes the unfinished image of an interrupted run.
discard_stage() {
  if [ -e "./$stage" ]; then rm -rf "./$stage"; fi
}

# Frees the space of an image that could not be completed.
cleanup() {
  if [ "${staged:-no}" = yes ]; then
    cd -P ..
    rm -rf "./$stage"
  fi
}

# Creates the image in a directory that only root can enter, and then renames it. So no other user
# can change it meanwhile, and a crash leaves no incomplete file system at the image's path.
create_image() {
  journal "creating $image_name with $p_bytes bytes"
  mkdir -m 0700 "./$stage"
  enter "$stage"
  staged=yes
  require_own_directory
  truncate -s "$p_bytes" image
  if [ "$p_fs" = ext4 ]; then
    mkfs.ext4 -q -F -L "$p_label" image
  fi
  chown microvm:kvm image
  chmod 0660 image
  sync image
  mv -nT image "../$file"
  cd -P ..
  staged=no
  rmdir "./$stage"
}

# All later steps use the open file, because its name can point to another file at any time.
open_image() {
  if [ -f "./$file" ] && [ ! -L "./$file" ]; then
    exec 8<>"./$file"
    if [ -f "$image" ] && [ "$(readlink "$image")" = "$(readlink /proc/self/cwd)/$file" ]; then
      return 0
    fi
  fi
  fail foreign "$image_name is not a regular file, or is behind a link; nothing was changed" \
    "Set the volume's image to the real path. If the link is not yours, find out who created it."
}

# An image that is smaller than before, or than its file system, has lost its end. Growing it would
# replace the lost data with zeros.
require_whole() {
  had=$(recorded_bytes)
  [ "$size" -ge "${had:-0}" ] || fail data-loss \
    "$image_name has $size bytes, but had $had: the end is missing; nothing was changed" \
    "Restore the whole image. If it is a backup of the smaller volume, remove $record and run up."
  [ "$p_fs" = ext4 ] || return 0
  file_system_bytes
  [ "$size" -ge "$stated" ] || fail data-loss \
    "$image_name has $size bytes, its file system $stated: the end is missing; nothing changed" \
    "Restore the whole image."
}

# Sets `stated` to the size of the file system according to its superblock, or to 0 if there is
# none. Layout of the superblock: Documentation/filesystems/ext4/super.rst of Linux.
file_system_bytes() {
  stated=0
  # od prints one word for each 4 bytes.
  # shellcheck disable=SC2046
  set -- $(od -A n -v -t u4 --endian=little -j 1024 -N 344 "$image")
  # s_magic, s_log_block_size
  if [ $# -lt 86 ] || [ $((${15} & 65535)) -ne $((0xEF53)) ] || [ "$7" -gt 6 ]; then return 0; fi
  blocks=$2
  # Only with INCOMPAT_64BIT the superblock has s_blocks_count_hi.
  if [ $((${25} & 128)) -ne 0 ]; then blocks=$((blocks + (${85} << 32))); fi
  stated=$((blocks << (10 + $7)))
}

require_content() {
  [ "$p_fs" = ext4 ] || return 0
  found=$(tag TYPE)
  [ "$found" = ext4 ] || fail data-loss \
    "$image_name holds ${found:-no file system that blkid knows}, not ext4; nothing was changed" \
    "Restore the right image. For an empty volume, move this image away and remove $record."
}

# Only an imported image may lack its label. An image with another label belongs to another volume.
require_label() {
  [ "$p_fs" = ext4 ] || return 0
  found=$(tag LABEL)
  [ "$found" != "$p_label" ] || return 0
  printable=$(printf '%s' "$found" | tr -c '[:print:]' '?')
  [ -z "$found" ] || fail data-loss \
    "$image_name has the label $printable, not ${p_label:-none}; nothing was changed" \
    "Restore the right image. If this is the right one, run: e2label IMAGE '$p_label'."
  hold_vm || fail operation "$image_name has no label, and can't be labelled while its VM runs" \
    "Set running: false on $p_vm and run up, or keep import: true."
  journal "labelling $image_name $p_label"
  e2label "$image" "$p_label"
  release_vm
}

# The record keeps the size of the last complete image, also if growing is started several times.
begin_growth() {
  if [ "$(phase)" = growing ]; then put_record growing; else put_record growing "$size"; fi
}

extend_image() {
  [ "$size" -lt "$p_bytes" ] || return 0
  journal "growing $image_name to $p_bytes bytes"
  truncate -s "$p_bytes" "$image"
}

# An interrupted resize2fs leaves a file system that needs e2fsck, so there must be room for all
# that it writes. mkfs.ext4 makes at most one inode of 256 bytes for each 4096 bytes.
require_room() {
  [ "$p_fs" = ext4 ] || return 0
  case $p_bytes in *[!0-9]*) fail input "the size $p_bytes is not a number of bytes" ;; esac
  needed=$(((p_bytes - size) / 16 / 1024 + 4096))
  free=$(df -kP . | awk 'NR == 2 { print $4 }')
  [ "$free" -ge "$needed" ] || fail operation \
    "$image_name can't grow: it may need $needed KiB, $free KiB are free; nothing was changed" \
    "Free some space on the host, then run up again."
}

grow_stopped() {
  require_room
  begin_growth
  extend_image
  if [ "$p_fs" = ext4 ]; then
    e2fsck -f -p "$image" >/dev/null || [ $? -le 1 ] ||
      fail operation "e2fsck found errors in $image_name that it cannot repair automatically" \
        "Run e2fsck on the image by hand, then run up again."
    printed=$(resize2fs "$image" 2>&1) ||
      fail operation "resize2fs failed on $image_name: $(printf '%s' "$printed" | tail -n 1)"
  fi
  # The order matters: if a crash leaves a hold, the record still has the phase `growing`.
  release_vm
  put_record ready "$p_bytes"
}

# Only the disk grows here. The guest grows the file system, because it has mounted it.
grow_running() {
  find_vmm "$p_vm"
  drive=
  if [ "$vmm" = qemu ]; then drive=$(qemu_drive "$p_image"); fi
  [ -n "$drive" ] || fail operation \
    "$image_name can't grow while its VM runs: this takes QEMU and microvm.socket" \
    "Set running: false on $p_vm, run up, and then change the size."
  begin_growth
  extend_image
  qmp "{\"execute\":\"block_resize\",\"arguments\":{\"device\":\"$drive\",\"size\":$p_bytes}" ||
    fail operation "QEMU did not resize $image_name: $qmp_error"
  if [ "$p_fs" = none ]; then put_record ready "$p_bytes"; fi
}

# needs_creation PATH: is the image missing because it was never created? Fails if it was created
# and is missing now: a new empty image would hide the loss.
needs_creation() {
  if [ -e "$1" ] || [ -L "$1" ]; then return 1; fi
  case $(phase) in
    '' | creating | deleting) return 0 ;;
  esac
  fail data-loss "$image_name was created earlier, and is missing now" \
    "Restore the image. For a new empty image, remove $record on the host and run up."
}

# A volume whose removal was interrupted is wanted again. Moves its image back from the trash, also
# if the move to the trash was not finished.
restore_from_trash() {
  [ "$(phase)" = trashing ] || return 0
  trash_place
  if [ -e "./$file" ]; then
    discard_copy
    return 0
  fi
  for moved in "$trash.img.new" "$trash.img"; do
    [ -e "$moved" ] || continue
    journal "restoring $image_name from the trash"
    rm -rf "./$file.pulumi-microvm-back"
    mv -T "$moved" "./$file.pulumi-microvm-back"
    break
  done
  if [ -e "./$file.pulumi-microvm-back" ]; then mv -nT "./$file.pulumi-microvm-back" "./$file"; fi
}

# Removes the copy of a move to another file system that was interrupted. Other files are not
# touched.
discard_copy() {
  [ -e "$trash.img.new" ] || return 0
  if cmp -s -n "$(stat -c %s "$trash.img.new")" "$trash.img.new" "./$file"; then
    rm -f "$trash.img.new"
  fi
}

make_image() {
  case $(phase) in
    trashing) ;;
    *) needs_creation "$p_image" || true ;;
  esac
  enter_image_directory "$p_image"
  discard_stage
  restore_from_trash
  needs_creation "./$file" || return 0
  put_record creating 0
  create_image
}

# The volume got another name, and the site states the path of its image: the record changes hands.
# A crash in between leaves both; the removal of the old volume then drops its own.
adopt_image() {
  former=$STATE/volumes/$p_adopt.json
  if [ -z "$p_adopt" ] || [ -e "$record" ]; then return 0; fi
  text=$(cat "$former" 2>/dev/null || true)
  case $text in
    *"$p_stack"*"\"image\":\"$p_image\""*) ;;
    *) fail stale "volume $p_adopt does not have $p_image any more; nothing was changed" \
      "Run up again." ;;
  esac
  case $text in
    *'"phase":"ready"'* | *'"phase":"retained"'*) ;;
    *) fail operation "$image_name: work on it as volume $p_adopt was interrupted" \
      "Run up with the old name of the volume first: it finishes that work." ;;
  esac
  journal "taking over $image_name, which was volume $p_adopt"
  put_record ready "$(recorded_bytes_in "$former")"
  remove_files "$former"
}

apply_volume() {
  mkdir -p "$STATE/volumes"
  require_ours "$record" "$image_name"
  adopt_image
  if [ -e "$p_image" ] && [ ! -e "$record" ] && [ "$p_known" = no ]; then
    fail foreign "$image_name exists, and no stack recorded making it; nothing was changed" \
      "To adopt it, set import: true on the VM. Otherwise use another image path for the volume."
  fi
  make_image
  open_image
  size=$(stat -L -c %s "$image")
  require_whole
  require_content
  require_label
  if [ "$size" -gt "$p_bytes" ]; then
    fail data-loss "$image_name has $size bytes, more than $p_bytes; a volume never shrinks" \
      "Set the size of the volume to at least the size of its image."
  fi
  if [ "$size" -eq "$p_bytes" ] && [ "$(phase)" != growing ]; then
    release_vm
    put_record ready "$size"
  elif hold_vm; then grow_stopped
  else grow_running
  fi
}

# Also that of the volume that had the image before. In the order of the names, so that two
# operations never wait for each other.
lock_volumes() {
  if [ -z "$p_adopt" ]; then
    lock 5 "volume.$p_key"
    return 0
  fi
  first_key=$(printf '%s\n' "$p_key" "$p_adopt" | sort | head -n 1)
  if [ "$first_key" = "$p_key" ]; then second_key=$p_adopt; else second_key=$p_key; fi
  lock 5 "volume.$first_key"
  lock 9 "volume.$second_key"
}

lock 4 host shared
lock_volumes
working
apply_volume
finish
