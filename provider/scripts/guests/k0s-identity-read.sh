# shellcheck shell=sh
# needs: facts k0s
# Prints our identity: the CA, the certificate and the key, each in base64. The key is a secret: the
# output goes to the provider only. Changes nothing.
read_parameters
find_k0s || fail operation "the guest has no unit k0s"
fact ca "$(base64 -w 0 "$k0s_data/pki/ca.crt")"
fact certificate "$(base64 -w 0 "$k0s_data/pki/$K0S_IDENTITY.crt")"
fact key "$(base64 -w 0 "$k0s_data/pki/$K0S_IDENTITY.key")"
finish
