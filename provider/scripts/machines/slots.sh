# shellcheck shell=sh
# needs: begin
# Slots limit how many VMs of this host start, stop or restart at once, across all provider
# processes. A slot is a file with its expiry time in seconds since the boot. The expiry frees the
# slots of a killed provider. A start keeps its slot until the guest has answered. p_parallelism:
# number of slots, from the site
SLOTS=$RUN/slots

# take_slot VM SECONDS: takes a slot that expires after SECONDS. Only one process polls for a free
# slot. The others wait for the lock `slots`.
take_slot() {
  mkdir -p "$SLOTS"
  lock 9 slots
  waited=0
  until try_slot "$@"; do
    slots="$p_parallelism slots (used by$holders)"
    if [ "$waited" = 0 ]; then
      waiting
      status "waiting for one of $slots"
    fi
    [ "$waited" -lt "$p_wait_seconds" ] || fail deadline \
      "timed out after $p_wait_seconds s waiting for one of $slots" \
      "Increase parallelism of the hypervisor, or wait until the other VMs have started."
    sleep 1
    waited=$((waited + 1))
  done
  exec 9>&-
  working
}

try_slot() {
  read -r uptime _ </proc/uptime
  uptime=${uptime%.*}
  in_use=0
  holders=
  for slot in "$SLOTS"/*; do
    if [ ! -f "$slot" ] || [ "$slot" = "$SLOTS/$1" ]; then continue; fi
    expiry=0
    read -r expiry 2>/dev/null <"$slot" || true
    [ "${expiry:-0}" -gt "$uptime" ] || continue
    in_use=$((in_use + 1))
    holders="$holders ${slot##*/}"
  done
  [ "$in_use" -lt "$p_parallelism" ] || return 1
  write_file "$SLOTS/$1" 0644 "$((uptime + $2))"
}

release_slot() {
  remove_files "$SLOTS/$1"
}

# Releases the slot when the operation ends, unless the provider still waits for the guest.
awaits_guest=no
cleanup() {
  [ "$awaits_guest" = yes ] || release_slot "$p_name"
}
