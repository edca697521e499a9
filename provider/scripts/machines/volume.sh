# shellcheck shell=sh
# needs: begin
# Shared by volume-apply.sh and volume-remove.sh: a volume's record, its phase, and its path in the
# trash. The phases:
#   ready               the volume is complete
#   creating, growing   not complete yet
#   retained            removed from the stack; the image stays
#   trashing, deleting  a removal runs or was interrupted
# p_key
# p_record: the record without its end, `{...,"phase":"`
record=$STATE/volumes/$p_key.json

# put_record PHASE [BYTES]: BYTES is the size of the image when it was last complete; 0 while it is
# empty. Without BYTES the recorded size stays. Records of older versions have no size.
put_record() {
  whole=${2:-$(recorded_bytes)}
  write_file "$record" 0644 "$p_record$1\"${whole:+,\"bytes\":$whole}}"
}

recorded_bytes() {
  recorded_bytes_in "$record"
}

recorded_bytes_in() {
  sed -n 's/.*"phase":"[a-z]*","bytes":\([0-9]\{1,15\}\)}$/\1/p' "$1" 2>/dev/null || true
}

phase() {
  sed -n 's/.*"phase":"\([a-z]*\)".*/\1/p' "$record" 2>/dev/null || true
}

# Sets `trash`. Its name contains the time of the record, so that a removal that continues after an
# interruption uses the same path.
trash_place() {
  trash=$STATE/trash/$p_key-$(date -d "@$(stat -c %Y "$record")" +%Y%m%dT%H%M%S)
}
