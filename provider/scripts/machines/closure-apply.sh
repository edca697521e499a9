# shellcheck shell=sh
# GC roots for store paths that are on this host; builds from derivations that were copied here.
# p_name; p_record; p_roots: `key path` pairs; p_derivations: derivations to build first, or empty.
# A store path may have a `?` in it: words are split below, and never matched against file names.
set -f
directory=$GCROOTS/pulumi-microvm/$p_name
record=$STATE/closures/$p_name.json

build_closure() {
  [ -n "$p_derivations" ] || return 0
  status "building on the host"
  # Store paths have no white space.
  # shellcheck disable=SC2086
  nix-store --realise $p_derivations >/dev/null || fail operation \
    "the build failed on the host: $(tail -n 8 "$RUN/errors" | tr '\n' ' ')"
}

set_roots() {
  mkdir -p "$directory" "$STATE/closures"
  chmod 0755 "$GCROOTS/pulumi-microvm" "$directory"
  write_file "$record" 0644 "$p_record"
  # shellcheck disable=SC2086
  set -- $p_roots
  while [ $# -ge 2 ]; do
    nix-store --check-validity "$2" 2>/dev/null || fail operation "$2 is not in the host's Nix store"
    if [ "$(readlink "$directory/$1" || true)" != "$2" ]; then
      journal "adding GC root $p_name/$1 for $2"
      set_link "$directory/$1" "$2"
    fi
    shift 2
  done
}

require_ours "$record" "closure $p_name"
build_closure
set_roots
finish
