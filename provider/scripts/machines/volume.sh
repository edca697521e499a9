# shellcheck shell=sh
# What volume-apply.sh and volume-remove.sh share: a volume's record, its phase, its place in the trash. The phase:
# `ready`; `creating`, `growing`: not done yet; `retained`; `trashing`, `deleting`: a removal, or what an
# interrupted one left. p_key; p_record: the record without its end, `{...,"phase":"`
record=$STATE/volumes/$p_key.json

# put_record PHASE [BYTES]: `bytes` is the size that the image had when it was whole last, and stays unless it is
# given; 0 where it holds nothing yet. Records of before it was kept have none.
put_record() {
  whole=${2:-$(recorded_bytes)}
  write_file "$record" 0644 "$p_record$1\"${whole:+,\"bytes\":$whole}}"
}

recorded_bytes() {
  sed -n 's/.*"phase":"[a-z]*","bytes":\([0-9]\{1,15\}\)}$/\1/p' "$record" 2>/dev/null || true
}

phase() {
  sed -n 's/.*"phase":"\([a-z]*\)".*/\1/p' "$record" 2>/dev/null || true
}

# Into `trash`. By the time of the record, so that whoever goes on with a removal finds the same place.
trash_place() {
  trash=$STATE/trash/$p_key-$(date -d "@$(stat -c %Y "$record")" +%Y%m%dT%H%M%S)
}
