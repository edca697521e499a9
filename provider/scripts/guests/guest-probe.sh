# shellcheck shell=sh
# needs: facts
# What there is to know of a guest. Changes nothing. Parsed by hosts/facts/guestFacts.ts.
probe() {
  probe_identity
  system=
  # `readlink -f` alone would also print the path of a link that is not there.
  if [ -e "$SYSTEMS/current-system" ]; then system=$(readlink -f "$SYSTEMS/current-system"); fi
  fact system "$system"
  fact probed
}
