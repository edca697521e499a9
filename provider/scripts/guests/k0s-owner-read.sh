# shellcheck shell=sh
# needs: facts k0s-owner
# Prints the stack and the project that own the cluster, as its API records them. Changes nothing.
read_parameters
find_k0s || fail operation "the guest has no unit k0s"
read_owner || fail operation "the API does not say who owns the cluster"
if [ -n "$owner" ]; then fact owner "$owner"; fi
finish
