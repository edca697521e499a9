# shellcheck shell=sh
# Who uses an image: a process that has it open, or a loop device. What a unit is called or what a
# link names says nothing about that: a VM runs on what it was started with.

# image_is_in_use PATH
image_is_in_use() {
  [ -e "$1" ] || return 1
  # Not by -samefile, for which find itself opens the file.
  if find -L /proc/[0-9]*/fd -maxdepth 1 -printf '%D:%i\n' 2>/dev/null |
    grep -Fqx "$(stat -L -c %d:%i -- "$1")"; then
    return 0
  fi
  losetup -j "$1" 2>/dev/null | grep -q .
}
