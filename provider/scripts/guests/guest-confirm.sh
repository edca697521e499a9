# shellcheck shell=sh
# needs: guest-system
# Confirms a switch in a guest over a new connection: the guest runs the new system. p_toplevel
lock 4 host
working
running=$(current_system)
[ "$running" = "$(readlink -f "$p_toplevel")" ] ||
  fail operation "the guest runs $running, not $p_toplevel"
# A confirmed switch must not be rolled back.
disarm
remove_files "$before" "$switched"
finish
