# shellcheck shell=sh
# needs: guest-system
# Runs in a guest, over a fresh connection: it runs the system that it was switched to. p_toplevel
lock 4 host
working
running=$(current_system)
[ "$running" = "$(readlink -f "$p_toplevel")" ] ||
  fail operation "the guest runs $running, and not $p_toplevel"
# Nothing is to be undone behind a confirmation.
disarm
rm -f "$before" "$switched"
finish
