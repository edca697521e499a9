# shellcheck shell=sh
# needs: claims
# Removes this stack's claim on this host; those of other stacks stay. p_shared: the name of its
# record if it shares the host.
release_host() {
  require_our_claim host
  require_our_claim "$p_shared"
  remove_claim host
  remove_claim "$p_shared"
}

lock 5 claims
working
release_host
finish
