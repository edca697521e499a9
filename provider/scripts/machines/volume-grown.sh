# shellcheck shell=sh
# The end of a growth: the guest has grown the file system to the image's size. p_key p_image p_bytes p_record
# Behind volume.sh.
require_ours "$record" "volume $p_key ($p_image)"
size=$(stat -L -c %s -- "$p_image")
[ "$size" -eq "$p_bytes" ] || fail operation "volume $p_key ($p_image) has $size bytes by now, not $p_bytes"
journal "the guest grew the file system of volume $p_key ($p_image)"
put_record ready "$size"
finish
