# shellcheck shell=sh
# needs: facts
# What there is to know of a guest. Changes nothing. Parsed by hosts/facts/guestFacts.ts.
probe() {
  probe_identity
  fact system "$(readlink -f "$SYSTEMS/current-system" || true)"
  fact probed
}
