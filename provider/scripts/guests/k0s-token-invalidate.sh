# shellcheck shell=sh
# needs: k0s-operation
# Invalidates a join token on a controller. k0s reports success for an unknown id too, so the list
# is read afterwards. p_role p_id
lock 4 host
require_role controller
working
journal "invalidating the join token $p_id"
run_k0s 60 token invalidate --data-dir="$k0s_data" "$p_id" >/dev/null
listed=$(run_k0s 60 token list --data-dir="$k0s_data" --role="$p_role")
if printf '%s\n' "$listed" | grep -q "^${p_id}[[:space:]]"; then
  fail operation "the join token $p_id is still valid after it was invalidated"
fi
finish
