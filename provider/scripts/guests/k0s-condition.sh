# shellcheck shell=sh
# ExecCondition of k0s.service in a guest: decides whether k0s may start, and as what. k0s founds a
# new cluster wherever it starts as a controller without etcd data and without --token-file. So a
# start needs one of these, in this order:
#   resume  the data of an earlier start: etcd's database, or a worker's kubelet.conf
#   join    a valid join token in the token file; the dummy that replaces a used token is none
#   found   a founding mark for this cluster; it is consumed before k0s starts
# Otherwise it exits with 1. systemd then skips the start: this is no failure, and not retried. It
# also does so while the provider forbids a start: after a member left, its data would start it.
# $1: data directory  $2: controller|worker  $3: token file  $4: name of the cluster
set -eu
umask 077
export LC_ALL=C

data=$1
role=$2
token_file=$3
cluster=$4

RUN=/run/pulumi-microvm
# The provider writes it, with the name of the cluster. A reboot removes it.
mark=$RUN/k0s-found
# For the provider, should the next system have no unit k0s: k0s.sh.
UNIT=/etc/systemd/system/k0s.service
# The unit's EnvironmentFile.
environment=$RUN/k0s.env
# It parses as a token, since some versions of k0s read the file although they need no token.
DUMMY=000000.0000000000000000

refuse() {
  echo "k0s does not start: $1" >&2
  exit 1
}

# start WHY [ARGUMENT...]: k0s gets the arguments. Only founding leaves out the token file.
start() {
  why=$1
  shift
  mkdir -p "$RUN"
  rm -f "$mark"
  if [ -f "$UNIT" ]; then
    cat "$UNIT" >"$RUN/k0s.service.new"
    mv -f "$RUN/k0s.service.new" "$RUN/k0s.service"
  fi
  printf 'K0S_TOKEN_ARGUMENT=%s\n' "$*" >"$environment.new"
  mv -f "$environment.new" "$environment"
  echo "k0s starts: $why"
  exit 0
}

has_data() {
  case $role in
    controller) [ -e "$data/etcd/member/snap/db" ] ;;
    *) [ -e "$data/kubelet.conf" ] ;;
  esac
}

# The user that a token of this role names: base64 of gzip of a kubeconfig.
user_of_role() {
  case $role in
    controller) echo controller-bootstrap ;;
    *) echo kubelet-bootstrap ;;
  esac
}

# The token is a secret: it goes through pipes and builtins, never through arguments.
has_token() {
  [ -s "$token_file" ] || return 1
  kubeconfig=$(base64 -d <"$token_file" 2>/dev/null | gzip -dc 2>/dev/null) || return 1
  token=$(
    printf '%s\n' "$kubeconfig" |
      sed -n 's/^ *token: *"\{0,1\}\([a-z0-9]\{6\}\.[a-z0-9]\{16\}\)"\{0,1\}$/\1/p'
  )
  [ -n "$token" ] && [ "$token" != "$DUMMY" ] || return 1
  printf '%s\n' "$kubeconfig" | grep -q "^ *user: *$(user_of_role)\$" || return 1
  printf '%s\n' "$kubeconfig" | grep -q '^ *server: *https://'
}

# k0s-operation.sh writes it.
stopped=$data/pulumi-microvm/stopped
[ ! -e "$stopped" ] || refuse "it was stopped: $(cat "$stopped")"
if has_data; then
  start "it has the data of an earlier start" "--token-file=$token_file"
fi
marked=
[ ! -f "$mark" ] || marked=$(cat "$mark")
if has_token; then
  [ -z "$marked" ] || refuse "there are both a join token and a founding mark"
  start "it joins by the token in $token_file" "--token-file=$token_file"
fi
[ -n "$marked" ] || refuse "no data, no join token for a $role in $token_file, no founding mark"
[ "$role" = controller ] || refuse "a worker cannot found a cluster"
[ "$marked" = "$cluster" ] || refuse "the founding mark is for another cluster: $marked"
# Before the start: a mark that stays behind could found a second cluster.
rm "$mark"
start "it founds the cluster $cluster"
