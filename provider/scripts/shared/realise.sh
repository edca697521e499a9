# shellcheck shell=sh
# needs: begin
# Builds derivations that were copied to this host. p_build_seconds: how long that may take.

# realise DERIVATION...: what is built already costs nothing. A build that is cut starts anew later.
realise() {
  code=0
  timeout --foreground "$p_build_seconds" nix-store --realise "$@" >/dev/null || code=$?
  case $code in
    0) return 0 ;;
    124) fail operation "the build on the host did not end within $p_build_seconds s" \
      "Raise buildTimeout of the hypervisor, or build on the operator's machine (build: operator)." ;;
  esac
  fail operation "the build failed on the host: $(tail -n 8 "$errors")"
}
