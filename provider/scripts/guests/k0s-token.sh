# shellcheck shell=sh
# needs: facts k0s
# Creates a join token on a controller, and prints it. It is a secret: the output goes to the
# provider only, and to no file of an operation. If the connection is lost, the token expires.
# p_role p_expiry
read_parameters
find_k0s || fail operation "the guest has no unit k0s"
token=$(run_k0s 60 token create --data-dir="$k0s_data" --role="$p_role" --expiry="$p_expiry") ||
  fail operation "k0s made no join token"
fact token "$token"
finish
