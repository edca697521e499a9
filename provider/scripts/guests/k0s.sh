# shellcheck shell=sh
# needs: lib
# k0s in a guest: its unit, its files and its state. nixos/modules/k0s-node.nix writes the unit.
K0S_UNIT=/etc/systemd/system/k0s.service
# The unit that k0s was started by: k0s-condition.sh. A new system may not have it any more.
K0S_STARTED=$RUN/k0s.service
# Consumed by k0s-condition.sh.
K0S_MARK=$RUN/k0s-found
# The user of our certificate, and the name of its files in k0s's PKI.
K0S_IDENTITY=pulumi-microvm

# find_k0s: reads the unit, or that of a member whose new system has no role: it still runs, until
# it has left the cluster. Returns false if the guest has none. Sets `k0s`, the program, and the
# arguments of its ExecCondition: k0s_data, k0s_role, k0s_token, k0s_cluster. `k0s_own`: the
# directory of our own files beside k0s's data.
find_k0s() {
  k0s='' k0s_data='' k0s_role='' k0s_token='' k0s_cluster=''
  k0s_unit=$K0S_UNIT
  [ -f "$k0s_unit" ] || k0s_unit=$K0S_STARTED
  [ -f "$k0s_unit" ] || return 1
  while IFS= read -r unit_line; do
    case $unit_line in
      ExecCondition=*)
        IFS=' ' read -r _ _ k0s_data k0s_role k0s_token k0s_cluster _ <<END
$unit_line
END
        ;;
      ExecStart=*)
        k0s=${unit_line#ExecStart=}
        k0s=${k0s%% *}
        ;;
    esac
  done <"$k0s_unit"
  k0s_own=$k0s_data/pulumi-microvm
  [ -n "$k0s" ] && [ -n "$k0s_cluster" ]
}

# run_k0s SECONDS ARGUMENT...: k0s with a time limit. `k0s status` of a worker without valid
# credentials blocks for minutes, and ignores the first signal.
run_k0s() {
  limit=$1
  shift
  timeout -s KILL "$limit" "$k0s" "$@"
}

has_k0s_data() {
  case $k0s_role in
    controller) [ -e "$k0s_data/etcd/member/snap/db" ] ;;
    *) [ -e "$k0s_data/kubelet.conf" ] ;;
  esac
}

# The API of a controller answers some seconds after its unit is active.
api_answers() {
  [ "$(run_k0s 10 kubectl get --raw=/readyz 2>/dev/null)" = ok ]
}
