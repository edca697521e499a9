# shellcheck shell=sh
# The last lines that a VM's unit wrote. p_name
read_parameters
journalctl -q -o cat -n 15 -u "microvm@$p_name.service" 2>/dev/null || true
finish
