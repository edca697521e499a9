# shellcheck shell=sh
# needs: k0s-operation
# Stops k0s. It does not start again before the provider founds, joins or resumes. p_reason
lock 4 host
working
journal "stopping k0s: $p_reason"
remove_files "$K0S_MARK"
forbid_start "$p_reason"
stop_k0s
finish
