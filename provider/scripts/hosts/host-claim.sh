# shellcheck shell=sh
# Records whose hypervisor this host is: one stack's. p_record
record=$STATE/hosts/host.json

claim_host() {
  require_ours "$record" "this host" "Take the host from one of the two sites."
  [ "$(cat "$record" 2>/dev/null || true)" != "$p_record" ] || return 0
  journal "claiming this host"
  mkdir -p "$STATE/hosts"
  write_file "$record" 0644 "$p_record"
}

claim_host
finish
