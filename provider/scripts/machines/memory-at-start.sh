# shellcheck shell=sh
# ExecStartPost of microvm@NAME on the host, behind lib.sh, vmm.sh and memory.sh; $1: NAME. So a target
# holds again after each start, whoever started the VM.
p_nonce=memory-at-start
p_operation=$p_nonce
apply_memory_target "$1"
