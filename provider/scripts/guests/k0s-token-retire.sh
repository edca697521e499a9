# shellcheck shell=sh
# needs: k0s-operation
# Ends a join: replaces the join token by a dummy that no cluster accepts, and makes our identity on
# a controller. p_dummy
lock 4 host
working
if [ "$(cat "$k0s_token" 2>/dev/null)" != "$p_dummy" ]; then
  journal "replacing the join token"
  mkdir -p "${k0s_token%/*}"
  write_file "$k0s_token" 0600 "$p_dummy"
fi
[ "$k0s_role" != controller ] || ensure_identity
finish
