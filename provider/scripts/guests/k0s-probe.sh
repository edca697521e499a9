# shellcheck shell=sh
# needs: facts k0s
# The facts of k0s in a guest: part of its probe. Parsed by hosts/facts/k0sFacts.ts. Nothing without
# the unit. What is missing, or does not answer in time, is not printed.

yes_if() {
  if "$@"; then echo yes; else echo no; fi
}

# The token itself is a secret and is not printed.
token_kind() {
  [ -s "$k0s_token" ] || { echo none; return; }
  case $(base64 -d <"$k0s_token" 2>/dev/null | gzip -dc 2>/dev/null) in
    *000000.0000000000000000*) echo dummy ;;
    *' token: '*) echo real ;;
    *) echo invalid ;;
  esac
}

probe_k0s_files() {
  fact k0s data "$(yes_if has_k0s_data)"
  fact k0s token "$(token_kind)"
  if first_line "$K0S_MARK"; then fact k0s mark "$first"; fi
  if first_line "$k0s_own/stopped"; then fact k0s stopped "$first"; fi
  if first_line "$k0s_own/cluster.json"; then fact k0s record "$first"; fi
  if [ -s "$k0s_data/pki/ca.crt" ]; then fact k0s ca "$(base64 -w 0 "$k0s_data/pki/ca.crt")"; fi
  if [ -s "$k0s_data/pki/$K0S_IDENTITY.key" ] && [ -s "$k0s_data/pki/$K0S_IDENTITY.crt" ]; then
    fact k0s identity "$(base64 -w 0 "$k0s_data/pki/$K0S_IDENTITY.crt")"
  fi
}

# A program that is started takes time, so nothing is asked of a unit that does not run.
probe_k0s_process() {
  version=$(run_k0s 5 status 2>/dev/null | sed -n 's/^Version: *//p') || true
  [ -n "$version" ] || return 0
  fact k0s version "$version"
  [ "$k0s_role" = controller ] || return 0
  if api_answers; then fact k0s api yes; fi
  members=$(run_k0s 5 etcd member-list --data-dir="$k0s_data" 2>/dev/null) || return 0
  fact k0s members "$(printf '%s' "$members" | tr -d '\t\n')"
}

probe_k0s() {
  find_k0s || return 0
  fact k0s role "$k0s_role"
  fact k0s cluster "$k0s_cluster"
  ask systemctl is-active k0s.service || answer=unknown
  fact k0s unit "$answer"
  probe_k0s_files
  if [ "$answer" = active ]; then probe_k0s_process; fi
}
