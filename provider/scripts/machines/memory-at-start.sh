# shellcheck shell=sh
# needs: memory
# ExecStartPost of microvm@NAME on the host. Applies the memory target after each start of the VM,
# also if the provider did not start it. $1: NAME
p_nonce=memory-at-start
p_operation=$p_nonce
apply_memory_target "$1"
