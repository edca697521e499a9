# shellcheck shell=sh
# needs: begin facts
# The claims of stacks on this host: $STATE/hosts/host.json of a stack that has the host for itself,
# or shared-HASH.json of each stack that shares it.

# The digest of all claims, as resources/hosts/hostRecords.ts computes it.
claims_digest() {
  for claim in "$STATE"/hosts/*.json; do
    first_line "$claim" || continue
    printf '%s\t%s\n' "${claim##*/}" "$first"
  done | sha256sum | cut -d ' ' -f 1
}

require_our_claim() {
  require_ours "$STATE/hosts/$1.json" "this host" "Remove the host from one of the two sites."
}

remove_claim() {
  [ -e "$STATE/hosts/$1.json" ] || return 0
  journal "releasing this host"
  remove_files "$STATE/hosts/$1.json"
}
