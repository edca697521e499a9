# shellcheck shell=sh
# needs: volume hold
# A volume's image: made once, grown in place, never shrunk, never formatted again.
# Behind vmm.sh and volume.sh. What grows while its VM runs stays `growing` until volume-grown.sh, which follows the guest's part.
# p_record p_image p_bytes p_fs p_label p_vm p_key
# p_known (yes: our state knows this volume already, so a lost record is written again)

image_name="volume $p_key ($p_image)"
# In its directory, which enter.sh entered: the image, and where it is made.
file=${p_image##*/}
stage=$file.pulumi-microvm-new
# The image once it is open.
image=/proc/self/fd/8

# tag NAME: TYPE or LABEL as blkid knows it; nothing where it knows none.
tag() {
  blkid -p -o value -s "$1" -- "$image" 2>/dev/null || true
}

# What a killed run left of an image that was never finished.
discard_stage() {
  if [ -e "./$stage" ]; then rm -rf "./$stage"; fi
}

# An image that could not be made leaves no space taken.
abandon() {
  if [ "${staged:-no}" = yes ]; then
    cd -P ..
    rm -rf "./$stage"
  fi
}

# Made where only root gets to, and then renamed: nobody changes it meanwhile, and a crash leaves no half-made
# file system where an image belongs.
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

# From here on the open file is what is looked at and changed, whatever its name means by then.
open_image() {
  if [ -f "./$file" ] && [ ! -L "./$file" ]; then
    exec 8<>"./$file"
    if [ -f "$image" ] && [ "$(readlink "$image")" = "$(readlink /proc/self/cwd)/$file" ]; then return 0; fi
  fi
  fail foreign "$image_name is not a file, or not at that path; nothing was changed" \
    "Give the volume its image's real path. If nobody linked it there on purpose, find out who did."
}

# What is smaller than it was, or than its file system, has lost its end: growing would make it zeros.
require_whole() {
  had=$(recorded_bytes)
  [ "$size" -ge "${had:-0}" ] || fail data-loss \
    "$image_name has $size bytes, and had $had: a part of it is missing; it was left alone" \
    "Put the whole image back. If this is a whole one of before it grew, remove $record; the next up grows it."
  [ "$p_fs" = ext4 ] || return 0
  file_system_bytes
  [ "$size" -ge "$stated" ] || fail data-loss \
    "$image_name has $size bytes, and its file system $stated: a part of it is missing; it was left alone" \
    "Put the whole image back."
}

# Into `stated`: the file system's size by its superblock, whose fields are where Linux'
# Documentation/filesystems/ext4/super.rst says; 0 where there is none.
file_system_bytes() {
  stated=0
  # One word for each 4 bytes.
  # shellcheck disable=SC2046
  set -- $(od -A n -v -t u4 --endian=little -j 1024 -N 344 "$image")
  # s_magic, s_log_block_size
  if [ $# -lt 86 ] || [ $((${15} & 65535)) -ne $((0xEF53)) ] || [ "$7" -gt 6 ]; then return 0; fi
  blocks=$2
  # INCOMPAT_64BIT: then there is s_blocks_count_hi.
  if [ $((${25} & 128)) -ne 0 ]; then blocks=$((blocks + (${85} << 32))); fi
  stated=$((blocks << (10 + $7)))
}

require_content() {
  [ "$p_fs" = ext4 ] || return 0
  found=$(tag TYPE)
  [ "$found" = ext4 ] || fail data-loss \
    "$image_name holds ${found:-no file system that blkid knows}, not ext4; it is never formatted again" \
    "Put the right image back, or move this one away and remove $record to start with an empty volume."
}

# Only an imported image may be without its label. One with another label is another image.
require_label() {
  [ "$p_fs" = ext4 ] || return 0
  found=$(tag LABEL)
  [ "$found" != "$p_label" ] || return 0
  [ -z "$found" ] || fail data-loss \
    "$image_name has the label $(printf '%s' "$found" | tr -c '[:print:]' '?'), not ${p_label:-none}: it may be another volume's; it was left alone" \
    "Put the right image back. If it is the right one, give it its label by hand: e2label IMAGE '$p_label'."
  hold_vm || fail operation "$image_name has no label, and can't get one while its VM runs" \
    "Set running: false on $p_vm and run up, or keep import: true."
  journal "labelling $image_name $p_label"
  e2label "$image" "$p_label"
  release_vm
}

# What it had when it was whole last stays recorded, however often its growth is begun.
begin_growth() {
  if [ "$(phase)" = growing ]; then put_record growing; else put_record growing "$size"; fi
}

extend_image() {
  [ "$size" -lt "$p_bytes" ] || return 0
  journal "growing $image_name to $p_bytes bytes"
  truncate -s "$p_bytes" "$image"
}

# resize2fs that ends in the middle leaves a file system for e2fsck: what it will write has to fit. mkfs.ext4
# makes up to an inode of 256 bytes for each 4096.
require_room() {
  [ "$p_fs" = ext4 ] || return 0
  case $p_bytes in *[!0-9]*) fail input "$p_bytes is no number of bytes" ;; esac
  needed=$(((p_bytes - size) / 16 / 1024 + 4096))
  free=$(df -kP . | awk 'NR == 2 { print $4 }')
  [ "$free" -ge "$needed" ] || fail operation \
    "$image_name can't grow: its directory has $free KiB free, growing takes up to $needed KiB; nothing was changed" \
    "Make room on the host; the next up grows it."
}

grow_stopped() {
  require_room
  begin_growth
  extend_image
  if [ "$p_fs" = ext4 ]; then
    e2fsck -f -p "$image" >/dev/null || [ $? -le 1 ] ||
      fail operation "e2fsck found errors in $image_name that it does not repair by itself" \
        "Run e2fsck on it by hand; the volume was not touched further."
    said=$(resize2fs "$image" 2>&1) ||
      fail operation "resize2fs failed on $image_name: $(printf '%s' "$said" | tail -n 1)"
  fi
  # In this order: a hold that a crash leaves belongs to a record that says `growing`.
  release_vm
  put_record ready "$p_bytes"
}

# The file system is the guest's business while it is mounted there: here the disk grows, and no more.
grow_running() {
  find_vmm "$p_vm"
  drive=
  if [ "$vmm" = qemu ]; then drive=$(qemu_drive "$p_image"); fi
  [ -n "$drive" ] || fail operation \
    "$image_name can't grow while its VM runs: only a QEMU with a control socket (microvm.socket) resizes a disk in use" \
    "Set running: false on $p_vm, run up, and then change the size."
  begin_growth
  extend_image
  qmp "{\"execute\":\"block_resize\",\"arguments\":{\"device\":\"$drive\",\"size\":$p_bytes}" ||
    fail operation "QEMU did not resize $image_name: $qmp_error"
  if [ "$p_fs" = none ]; then put_record ready "$p_bytes"; fi
}

# must_be_made PATH: nothing is there yet. A volume that was made and is gone is no reason to make another one.
must_be_made() {
  if [ -e "$1" ] || [ -L "$1" ]; then return 1; fi
  case $(phase) in
    '' | creating | deleting) return 0 ;;
  esac
  fail data-loss "$image_name is missing, though it was made" \
    "Put the image back. Only if its data may be lost: remove $record on the host; the next up makes an empty one."
}

# A volume whose removal was interrupted is wanted again: what got to the trash comes back, whole or not yet.
take_back() {
  [ "$(phase)" = trashing ] || return 0
  trash_place
  if [ -e "./$file" ]; then
    discard_copy
    return 0
  fi
  for moved in "$trash.img.new" "$trash.img"; do
    [ -e "$moved" ] || continue
    journal "taking $image_name back from the trash"
    rm -rf "./$file.pulumi-microvm-back"
    mv -T "$moved" "./$file.pulumi-microvm-back"
    break
  done
  if [ -e "./$file.pulumi-microvm-back" ]; then mv -nT "./$file.pulumi-microvm-back" "./$file"; fi
}

# A move to another file system that was cut leaves a copy, whole or not, of what is still here.
# Anything else is left alone.
discard_copy() {
  [ -e "$trash.img.new" ] || return 0
  if cmp -s -n "$(stat -c %s "$trash.img.new")" "$trash.img.new" "./$file"; then
    rm -f "$trash.img.new"
  fi
}

make_image() {
  case $(phase) in
    trashing) ;;
    *) must_be_made "$p_image" || true ;;
  esac
  enter_image_directory "$p_image"
  discard_stage
  take_back
  must_be_made "./$file" || return 0
  put_record creating 0
  create_image
}

apply_volume() {
  mkdir -p "$STATE/volumes"
  require_ours "$record" "$image_name"
  if [ -e "$p_image" ] && [ ! -e "$record" ] && [ "$p_known" = no ]; then
    fail foreign "$image_name exists, and no stack recorded making it; it was left alone" \
      "To take it over as it is, set import: true on the VM; or give the volume another image path."
  fi
  make_image
  open_image
  size=$(stat -L -c %s "$image")
  require_whole
  require_content
  require_label
  if [ "$size" -gt "$p_bytes" ]; then
    fail data-loss "$image_name has $size bytes; $p_bytes are wanted, and a volume never shrinks" \
      "State at least the size it has."
  fi
  if [ "$size" -eq "$p_bytes" ] && [ "$(phase)" != growing ]; then
    release_vm
    put_record ready "$size"
  elif hold_vm; then grow_stopped
  else grow_running
  fi
}

lock 4 host shared
lock 5 "volume.$p_key"
working
apply_volume
finish
