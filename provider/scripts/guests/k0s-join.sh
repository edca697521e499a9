# shellcheck shell=sh
# needs: k0s-operation
# Joins a cluster by a token. With the data of an earlier start, k0s resumes and needs no token.
# p_token p_cluster p_record p_seconds: limit until k0s runs

# The parameters have the token. They were read, so nothing needs the file any more.
forget_parameters() {
  rm -f "$RUN/operations/$p_operation/parameters"
}

put_token() {
  if has_k0s_data; then return 0; fi
  journal "joining the cluster $p_cluster"
  remove_files "$K0S_MARK"
  mkdir -p "${k0s_token%/*}"
  write_file "$k0s_token" 0600 "$p_token"
}

forget_parameters
lock 4 host
require_cluster
working
put_token
allow_start
start_k0s
await_k0s "k0s runs" run_k0s 10 status
record_cluster
finish
