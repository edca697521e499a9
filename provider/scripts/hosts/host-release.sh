# shellcheck shell=sh
# The host is free for another stack.
record=$STATE/hosts/host.json

release_host() {
  [ -e "$record" ] || return 0
  require_ours "$record" "this host" "That stack releases it."
  journal "releasing this host"
  rm -f "$record"
}

release_host
finish
