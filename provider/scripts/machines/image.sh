# shellcheck shell=sh
# What an image holds: its size, file system and label. Nothing where there is none. Only reads.
# p_image
read_parameters
if [ -f "$p_image" ]; then
  printf 'size\t%s\n' "$(stat -L -c %s -- "$p_image")"
  printf 'type\t%s\n' "$(blkid -p -o value -s TYPE -- "$p_image" 2>/dev/null || true)"
  printf 'label\t%s\n' "$(blkid -p -o value -s LABEL -- "$p_image" 2>/dev/null || true)"
fi
finish
