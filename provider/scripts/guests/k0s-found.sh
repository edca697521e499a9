# shellcheck shell=sh
# needs: k0s-operation k0s-owner
# Founds a cluster on this controller, or resumes it if the data is there. Records its owner, beside
# the data and in the API, and makes our identity. docs/decisions/0019
# p_cluster p_record p_stack p_project p_seconds: limit until the API answers

# Only a unit that is not running can consume the mark.
found() {
  ask_state k0s.service
  case $unit_state in active | activating | reloading) return 0 ;; esac
  if ! has_k0s_data; then
    is_founding=yes
    journal "founding the cluster $p_cluster"
    remove_files "$k0s_token"
    write_file "$K0S_MARK" 0600 "$p_cluster"
  fi
  allow_start
  start_k0s
}

# The namespace appears only some moments after the API answers. Another controller of the cluster
# may have written it meanwhile.
record_owner() {
  if [ "$is_founding" = no ]; then
    read_owner || fail operation "the API does not say who owns the cluster"
    [ -z "$owner" ] || return 0
  fi
  journal "recording the owner of the cluster $p_cluster in its API"
  await_k0s "the API has the owner of the cluster" write_owner
}

write_owner() {
  if run_k0s 30 kubectl create configmap "$K0S_OWNER" --namespace=kube-system \
    --from-literal=stack="$p_stack" --from-literal=project="$p_project" \
    --from-literal=cluster="$p_cluster"; then
    owner=$own
    return 0
  fi
  read_owner && [ -n "$owner" ]
}

require_owner() {
  own=$p_stack$TAB$p_project
  record_owner
  [ "$owner" = "$own" ] || fail owned \
    "the cluster $p_cluster belongs to the stack ${owner%%"$TAB"*} of ${owner#*"$TAB"}" \
    "Destroy it in that stack first."
}

is_founding=no
lock 4 host
require_role controller
require_cluster
working
found
await_k0s "the API answers" api_answers
require_owner
record_cluster
ensure_identity
finish
