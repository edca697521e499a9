#!/bin/bash
# Builds the package k0s of a guest: bin/k0s starts the lab's stand-in with short waits. The
# stand-in is not in the Nix store, because it is too large to be copied to each host.
# shellcheck disable=SC2154 # the variables are the derivation's attributes
set -eu

mkdir -p "$out/bin"
cat >"$out/bin/k0s" <<SCRIPT
#!/bin/sh
export LAB_K0S_VERSION=v$version
export LAB_K0S_POD_PROGRAMS=$programs
export LAB_K0S_RESYNC_SECONDS=1 LAB_K0S_LEASE_SECONDS=10 LAB_K0S_DEAD_MEMBER_SECONDS=20
exec $programs/k0s/k0s "\$@"
SCRIPT
chmod 0755 "$out/bin/k0s"
