# shellcheck shell=sh
# Finds whether a process or a loop device uses an image. The name of a unit or the target of a link
# is no proof: a VM keeps the images that it was started with.

# image_is_in_use PATH
image_is_in_use() {
  [ -e "$1" ] || return 1
  # -samefile cannot be used: find would open the file itself.
  if find -L /proc/[0-9]*/fd -maxdepth 1 -printf '%D:%i\n' 2>/dev/null |
    grep -Fqx "$(stat -L -c %d:%i -- "$1")"; then
    return 0
  fi
  losetup -j "$1" 2>/dev/null | grep -q .
}
