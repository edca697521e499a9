# shellcheck shell=sh
# needs: facts k0s-probe
# Reads all facts of a guest. Changes nothing. Parsed by hosts/facts/guestFacts.ts.
probe() {
  probe_identity
  system=
  # `readlink -f` alone would also print the path of a missing link.
  if [ -e "$SYSTEMS/current-system" ]; then system=$(readlink -f "$SYSTEMS/current-system"); fi
  fact system "$system"
  probe_k0s
  fact probed
}
