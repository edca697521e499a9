# shellcheck shell=sh
# needs: lib
# Prints the last lines in the journal of a VM's unit. p_name
read_parameters
journalctl -q -o cat -n 15 -u "microvm@$p_name.service" 2>/dev/null || true
finish
