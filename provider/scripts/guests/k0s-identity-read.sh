# shellcheck shell=sh
# needs: facts k0s
# Prints our identity: the CA, the certificate and the key, each in base64. The key is a secret: the
# output goes to the provider only. What is missing is not printed. Changes nothing.
read_parameters
find_k0s || fail operation "the guest has no unit k0s"
if has_k0s_data; then fact data yes; fi
own=$k0s_data/pki/$K0S_IDENTITY
if [ -s "$own.key" ] && [ -s "$own.crt" ]; then
  fact ca "$(base64 -w 0 "$k0s_data/pki/ca.crt")"
  fact certificate "$(base64 -w 0 "$own.crt")"
  fact key "$(base64 -w 0 "$own.key")"
fi
finish
