# shellcheck shell=sh
# GC roots for store paths that are on this host; builds from derivations that were copied here.
# p_name; p_roots: `key path` pairs; p_derivations: derivations to build first, or empty.
directory=$GCROOTS/pulumi-microvm/$p_name

build_closure() {
  [ -n "$p_derivations" ] || return 0
  status "building on the host"
  # Store paths have no white space.
  # shellcheck disable=SC2086
  nix-store --realise $p_derivations >/dev/null || fail operation \
    "the build failed on the host: $(journalctl -q -o cat -n 8 -t pulumi-microvm 2>/dev/null | tr '\n' ' ')"
}

set_roots() {
  mkdir -p "$directory"
  chmod 0755 "$GCROOTS/pulumi-microvm" "$directory"
  # shellcheck disable=SC2086
  set -- $p_roots
  while [ $# -ge 2 ]; do
    nix-store --check-validity "$2" 2>/dev/null || fail operation "$2 is not in the host's Nix store"
    if [ "$(readlink "$directory/$1" || true)" != "$2" ]; then
      ln -sfn "$2" "$directory/$1"
      journal "added GC root $p_name/$1 for $2"
    fi
    shift 2
  done
}

build_closure
set_roots
finish
