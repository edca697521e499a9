# shellcheck shell=sh
# Runs in a guest, over a fresh connection: it runs the system that it was switched to. p_toplevel
read_parameters
said=$(readlink -f /run/current-system || true)
[ "$said" = "$(readlink -f "$p_toplevel")" ] || fail operation "the guest runs $said, and not $p_toplevel"
rm -f "$RUN/system-before-switch"
finish
