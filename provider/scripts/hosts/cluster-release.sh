# shellcheck shell=sh
# needs: begin
# Removes the record of the founder. p_name: the cluster
lock 5 cluster
working
require_ours "$STATE/clusters/$p_name.json" "the cluster $p_name"
if [ -e "$STATE/clusters/$p_name.json" ]; then
  journal "removing the record of the cluster $p_name"
  remove_files "$STATE/clusters/$p_name.json"
fi
finish
