# shellcheck shell=sh
# needs: lib
# Prints the size, the file system and the label of an image, or nothing if there is no image. Only
# reads.
# p_image
read_parameters
if [ -f "$p_image" ]; then
  printf 'size\t%s\n' "$(stat -L -c %s -- "$p_image")"
  printf 'type\t%s\n' "$(blkid -p -o value -s TYPE -- "$p_image" 2>/dev/null || true)"
  printf 'label\t%s\n' "$(blkid -p -o value -s LABEL -- "$p_image" 2>/dev/null || true)"
fi
finish
