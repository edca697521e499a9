# shellcheck shell=sh
# A volume's image: made once, grown in place, never shrunk, never formatted again.
# Behind vmm.sh. What grows while its VM runs stays `growing` until volume-grown.sh, which follows the guest's part.
# p_record: the ownership record without its end, `{...,"phase":"`; p_image p_bytes p_fs p_label p_vm p_key
# p_known (yes: our state knows this volume already, so a lost record is written again)

record=$STATE/volumes/$p_key.json
image_name="volume $p_key ($p_image)"

put_record() {
  write_file "$record" 0644 "$p_record$1\"}"
}

phase() {
  sed -n 's/.*"phase":"\([a-z]*\)".*/\1/p' "$record" 2>/dev/null || true
}

file_system() {
  blkid -p -o value -s TYPE -- "$p_image" 2>/dev/null || true
}

# Beside its place and then renamed: a crash leaves no half-made file system where an image belongs.
create_image() {
  directory=${p_image%/*}
  if [ ! -d "$directory" ]; then
    install -d -m 0755 -o microvm -g kvm "$directory"
  fi
  journal "creating $image_name with $p_bytes bytes"
  rm -f "$p_image.pulumi-microvm-new"
  truncate -s "$p_bytes" "$p_image.pulumi-microvm-new"
  if [ "$p_fs" = ext4 ]; then
    mkfs.ext4 -q -F -L "$p_label" "$p_image.pulumi-microvm-new"
  fi
  chown microvm:kvm "$p_image.pulumi-microvm-new"
  chmod 0660 "$p_image.pulumi-microvm-new"
  sync "$p_image.pulumi-microvm-new"
  mv -n "$p_image.pulumi-microvm-new" "$p_image"
}

require_content() {
  [ "$p_fs" = ext4 ] || return 0
  found=$(file_system)
  [ "$found" = ext4 ] || fail data-loss \
    "$image_name holds ${found:-no file system that blkid knows}, not ext4; it is never formatted again" \
    "Put the right image back, or move this one away and remove $record to start with an empty volume."
}

# Only an imported image may be without its label.
require_label() {
  [ "$p_fs" = ext4 ] && [ -n "$p_label" ] || return 0
  [ -z "$(blkid -p -o value -s LABEL -- "$p_image" 2>/dev/null || true)" ] || return 0
  vm_is_stopped "$p_vm" || fail operation "$image_name has no label, and can't get one while its VM runs" \
    "Set running: false on $p_vm and run up, or keep import: true."
  journal "labelling $image_name $p_label"
  e2label "$p_image" "$p_label"
}

extend_image() {
  [ "$size" -lt "$p_bytes" ] || return 0
  journal "growing $image_name to $p_bytes bytes"
  truncate -s "$p_bytes" "$p_image"
}

grow_stopped() {
  put_record growing
  extend_image
  if [ "$p_fs" = ext4 ]; then
    e2fsck -f -p "$p_image" >/dev/null || [ $? -le 1 ] ||
      fail operation "e2fsck found errors in $image_name that it does not repair by itself" \
        "Run e2fsck on it by hand; the volume was not touched further."
    resize2fs "$p_image" >/dev/null 2>&1 || fail operation "resize2fs failed on $image_name"
  fi
  put_record ready
}

# The file system is the guest's business while it is mounted there: here the disk grows, and no more.
grow_running() {
  find_vmm "$p_vm"
  drive=
  if [ "$vmm" = qemu ]; then drive=$(qemu_drive "$p_image"); fi
  [ -n "$drive" ] || fail operation \
    "$image_name can't grow while its VM runs: only a QEMU with a control socket (microvm.socket) resizes a disk in use" \
    "Set running: false on $p_vm, run up, and then change the size."
  put_record growing
  extend_image
  qmp "{\"execute\":\"block_resize\",\"arguments\":{\"device\":\"$drive\",\"size\":$p_bytes}" ||
    fail operation "QEMU did not resize $image_name: $qmp_error"
  if [ "$p_fs" = none ]; then put_record ready; fi
}

apply_volume() {
  mkdir -p "$STATE/volumes"
  require_ours "$record" "$image_name"
  if [ -e "$p_image" ] && [ ! -e "$record" ] && [ "$p_known" = no ]; then
    fail foreign "$image_name exists, and no stack recorded making it; it was left alone" \
      "To take it over as it is, set import: true on the VM; or give the volume another image path."
  fi
  if [ ! -e "$p_image" ]; then
    case $(phase) in
      '' | creating) ;;
      *) fail data-loss "$image_name is missing, though it was made" \
        "Put the image back. Only if its data may be lost: remove $record on the host; the next up makes an empty one." ;;
    esac
    put_record creating
    create_image
  fi
  require_content
  require_label
  size=$(stat -L -c %s -- "$p_image")
  if [ "$size" -gt "$p_bytes" ]; then
    fail data-loss "$image_name has $size bytes; $p_bytes are wanted, and a volume never shrinks" \
      "State at least the size it has."
  fi
  if [ "$size" -eq "$p_bytes" ] && [ "$(phase)" != growing ]; then put_record ready
  elif vm_is_stopped "$p_vm"; then grow_stopped
  else grow_running
  fi
}

apply_volume
finish
