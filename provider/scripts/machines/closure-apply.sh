# shellcheck shell=sh
# needs: closure realise
# Builds derivations that were copied to this host, and sets GC roots for store paths.
# p_name p_record
# p_former_name: the name whose roots these replace, or empty
# p_roots: pairs of `key path`
# p_derivations: derivations to build first, or empty
# p_build_seconds: time limit of the build

# Lists of store paths are split into words below. A store path can contain a `?`, which must not
# match file names.
set -f
build_closure() {
  [ -n "$p_derivations" ] || return 0
  status "building on the host"
  # Store paths contain no white space.
  # shellcheck disable=SC2086
  realise $p_derivations
}

set_roots() {
  mkdir -p "$directory" "$STATE/closures"
  chmod 0755 "$GCROOTS/pulumi-microvm" "$directory"
  write_file "$record" 0644 "$p_record"
  # shellcheck disable=SC2086
  set -- $p_roots
  while [ $# -ge 2 ]; do
    nix-store --check-validity "$2" 2>/dev/null ||
      fail operation "$2 is not in the host's Nix store"
    if [ "$(readlink "$directory/$1" || true)" != "$2" ]; then
      journal "adding GC root $p_name/$1 for $2"
      set_link "$directory/$1" "$2"
    fi
    shift 2
  done
}

# Removes the roots of the former name, unless another stack uses that name. The VM's own GC roots
# keep what it still runs.
drop_former() {
  [ -n "$p_former_name" ] || return 0
  former=$STATE/closures/$p_former_name.json
  [ -e "$former" ] || return 0
  lock 6 "closure.$p_former_name"
  case $(cat "$former") in
    *"$p_owner"* | *"${p_former_owner:-$p_owner}"*) drop_closure "$p_former_name" ;;
  esac
}

lock 5 "closure.$p_name"
working
require_ours "$record" "closure $p_name"
build_closure
set_roots
drop_former
finish
