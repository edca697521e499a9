# shellcheck shell=sh
# needs: k0s-operation
# Founds a cluster on this controller, or resumes it if the data is there. Makes our identity.
# docs/decisions/0019
# p_cluster p_record p_seconds: limit until the API answers

# Only a unit that is not running can consume the mark.
found() {
  ask_state k0s.service
  case $unit_state in active | activating | reloading) return 0 ;; esac
  if ! has_k0s_data; then
    journal "founding the cluster $p_cluster"
    remove_files "$k0s_token"
    write_file "$K0S_MARK" 0600 "$p_cluster"
  fi
  allow_start
  start_k0s
}

lock 4 host
require_role controller
require_cluster
working
found
await_k0s "the API answers" api_answers
record_cluster
[ -s "$k0s_data/pki/$K0S_IDENTITY.key" ] || mint_identity
finish
