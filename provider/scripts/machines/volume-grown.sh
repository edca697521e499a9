# shellcheck shell=sh
# needs: volume
# Completes growing a volume after the guest has grown the file system to the size of the image.
# p_key p_image p_bytes p_record
lock 4 host shared
lock 5 "volume.$p_key"
working
require_ours "$record" "volume $p_key ($p_image)"
size=$(stat -L -c %s -- "$p_image")
[ "$size" -eq "$p_bytes" ] ||
  fail operation "volume $p_key ($p_image) has $size bytes now, not $p_bytes" "Run up again."
journal "the guest grew the file system of volume $p_key ($p_image)"
put_record ready "$size"
finish
