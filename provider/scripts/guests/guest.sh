# shellcheck shell=sh
# needs: lib
# Comes before `begin` in operations that run in a guest. The provider keeps nothing in a guest
# beyond a boot: a full or read-only disk does not prevent the operation that repairs it.
# shellcheck disable=SC2034
STATE=
