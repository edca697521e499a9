# shellcheck shell=sh
# needs: begin
# Records on the hypervisor of a controller that this controller founds the cluster: before the
# guest gets its founding mark. So a retry uses the same controller.
# p_name: the cluster; p_record
lock 5 cluster
working
require_ours "$STATE/clusters/$p_name.json" "the cluster $p_name" \
  "Destroy the cluster in that stack first, or use another name here."
if [ "$(cat "$STATE/clusters/$p_name.json" 2>/dev/null || true)" != "$p_record" ]; then
  journal "recording the founder of the cluster $p_name"
  mkdir -p "$STATE/clusters"
  write_file "$STATE/clusters/$p_name.json" 0644 "$p_record"
fi
finish
