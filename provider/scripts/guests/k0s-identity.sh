# shellcheck shell=sh
# needs: k0s-operation
# Makes our identity, also if there is one: it expires soon. Runs on a controller.
lock 4 host
require_role controller
working
mint_identity
finish
