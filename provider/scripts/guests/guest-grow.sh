# shellcheck shell=sh
# needs: guest begin
# Runs in a guest: grows the file system with a label to the current size of its disk.
# p_label p_bytes

find_device() {
  device=$(readlink -f "/dev/disk/by-label/$p_label" || true)
  [ -b "$device" ] || device=$(blkid -L "$p_label") ||
    fail operation "the guest has no file system with the label $p_label"
}

# The guest learns the new size of the disk by an interrupt, so it may arrive later.
await_size() {
  attempts=0
  until [ "$(blockdev --getsize64 "$device")" -ge "$p_bytes" ]; do
    [ "$attempts" -lt 100 ] || fail operation "the guest still sees $device with its old size"
    sleep 0.1
    attempts=$((attempts + 1))
  done
}

grow_file_system() {
  journal "growing the file system $p_label"
  printed=$(resize2fs "$device" 2>&1) ||
    fail operation "resize2fs failed in the guest: $(printf '%s' "$printed" | tail -n 1)"
  sync
}

lock 4 host
working
find_device
await_size
grow_file_system
finish
