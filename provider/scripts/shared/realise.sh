# shellcheck shell=sh
# needs: begin
# Builds derivations that were copied to this host. p_build_seconds: time limit of the build.

# realise DERIVATION...: skips what is already built. A build that was stopped starts again later.
realise() {
  code=0
  timeout --foreground "$p_build_seconds" nix-store --realise "$@" >/dev/null || code=$?
  case $code in
    0) return 0 ;;
    124) fail operation "the build on the host did not finish within $p_build_seconds s" \
      "Increase buildTimeout of the hypervisor, or build on your machine (build: operator)." ;;
  esac
  fail operation "the build failed on the host: $(tail -n 8 "$errors")"
}
