# shellcheck shell=sh
# needs: k0s-operation
# Removes a dead member from etcd. Runs on a surviving controller. k0s itself removes a dead member
# only if it has a lease. p_address: the address of the member's peer URL
is_member() {
  members=$(run_k0s 60 etcd member-list --data-dir="$k0s_data")
  case $members in
    *"//$p_address:"*) return 0 ;;
  esac
  return 1
}

lock 4 host
require_role controller
working
if is_member; then
  journal "removing $p_address from etcd"
  run_k0s 120 etcd leave --data-dir="$k0s_data" --peer-address="$p_address" >/dev/null
fi
finish
