# shellcheck shell=sh
# needs: guest begin k0s
# Shared by the operations on k0s in a guest.

require_k0s() {
  find_k0s || fail operation "the guest has no unit k0s" \
    "Import the module k0s-node in the system of this VM, then run up again."
}

# require_role ROLE
require_role() {
  [ "$k0s_role" = "$1" ] || fail operation "the guest's unit k0s is that of a $k0s_role, not a $1"
}

# require_cluster: the guest's system was built for this cluster. p_cluster
require_cluster() {
  [ "$k0s_cluster" = "$p_cluster" ] || fail foreign \
    "the guest's system is for the cluster $k0s_cluster, not $p_cluster"
}

# The condition of the unit refuses each start while this file exists. A mask of systemd would be
# lost at a reboot, and NixOS's unit in /etc takes precedence over it.
forbid_start() {
  mkdir -p "$k0s_own"
  write_file "$k0s_own/stopped" 0600 "$1"
}

allow_start() {
  remove_files "$k0s_own/stopped"
}

k0s_lines() {
  journalctl -q -o cat -n 3 -u k0s.service 2>/dev/null | tr '\n' ' '
}

# The unit is skipped without an error if its condition refuses.
start_k0s() {
  systemctl reset-failed k0s.service 2>/dev/null || true
  order systemctl start k0s.service || fail operation "k0s did not start: $(k0s_lines)"
  ask_state k0s.service
  case $unit_state in
    active | activating | reloading) ;;
    *) fail operation "k0s did not start: $(k0s_lines)" ;;
  esac
}

# A unit that a new system has removed is not known any more once it has stopped.
stop_k0s() {
  if unit_has_ended k0s.service; then return 0; fi
  order systemctl stop k0s.service || fail operation "k0s did not stop: $(k0s_lines)"
  unit_has_ended k0s.service || fail operation "k0s still runs after its unit was stopped"
}

# await_k0s WHAT COMMAND...: repeats a command until it succeeds. p_seconds
await_k0s() {
  awaited=$1
  shift
  until_seconds=$(($(date +%s) + p_seconds))
  status "waiting until $awaited"
  until "$@" >/dev/null 2>&1; do
    [ "$(date +%s)" -lt "$until_seconds" ] || fail deadline \
      "timed out after $p_seconds s waiting until $awaited: $(k0s_lines)" \
      "Look at journalctl -u k0s in the guest."
    sleep 0.5
  done
}

# The ownership record beside the data of k0s. p_record
record_cluster() {
  [ "$(cat "$k0s_own/cluster.json" 2>/dev/null)" != "$p_record" ] || return 0
  journal "recording the cluster $k0s_cluster"
  mkdir -p "$k0s_own"
  write_file "$k0s_own/cluster.json" 0600 "$p_record"
}

# mint_identity: k0s signs it with the CA of its PKI, and keeps the key there.
mint_identity() {
  journal "making the identity $K0S_IDENTITY"
  rm -f "$k0s_data/pki/$K0S_IDENTITY.crt" "$k0s_data/pki/$K0S_IDENTITY.key"
  run_k0s 60 kubeconfig create "$K0S_IDENTITY" --data-dir="$k0s_data" --groups=system:masters \
    --certificate-expires-after=8760h >/dev/null
  chmod 0600 "$k0s_data/pki/$K0S_IDENTITY.key"
}

ensure_identity() {
  [ -s "$k0s_data/pki/$K0S_IDENTITY.key" ] || mint_identity
}

require_k0s
