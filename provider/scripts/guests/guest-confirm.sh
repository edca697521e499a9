# shellcheck shell=sh
# needs: lib
# Runs in a guest, over a fresh connection: it runs the system that it was switched to. p_toplevel
read_parameters
ROLLBACK=pulumi-microvm-switch-rollback

require_system() {
  said=$(readlink -f "$SYSTEMS/current-system" || true)
  [ "$said" = "$(readlink -f "$p_toplevel")" ] || fail operation "the guest runs $said, and not $p_toplevel"
}

rollback_is_over() {
  ask systemctl is-active "$ROLLBACK.service" || return 1
  case $answer in
    active | activating | deactivating | reloading) return 1 ;;
  esac
}

require_system
# Nothing is to be undone behind a confirmation. A way back that has begun is let to its end.
systemctl stop "$ROLLBACK.timer" 2>/dev/null || true
until rollback_is_over; do sleep 0.1; done
require_system
rm -f "$RUN/system-before-switch"
finish
