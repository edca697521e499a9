# shellcheck shell=sh
# needs: claims
# Records this stack's claim on this host. The provider decided on the claims that it had read. If
# they have changed, the provider reads and decides again.
# p_record; p_name: the record's name; p_outdated: the name of the stack's claim of the other kind;
# p_seen: digest of the claims that the provider saw
is_done() {
  [ "$(cat "$STATE/hosts/$p_name.json" 2>/dev/null || true)" = "$p_record" ] &&
    [ ! -e "$STATE/hosts/$p_outdated.json" ]
}

claim_host() {
  require_our_claim "$p_name"
  require_our_claim "$p_outdated"
  if is_done; then return 0; fi
  [ "$(claims_digest)" = "$p_seen" ] || fail stale \
    "another stack changed its claim on this host while this stack decided on its own" \
    "Run up again."
  journal "claiming this host"
  mkdir -p "$STATE/hosts"
  write_file "$STATE/hosts/$p_name.json" 0644 "$p_record"
  remove_claim "$p_outdated"
}

lock 5 claims
working
claim_host
finish
