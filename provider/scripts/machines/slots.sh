# shellcheck shell=sh
# needs: begin
# Slots: how many VMs of this host start, stop or restart at once, over all provider processes. A
# slot is a file with the time, in seconds since the boot, at which it expires: a provider that was
# killed takes its slots along only until then. A start holds its slot until the guest was seen.
# p_parallelism: how many there are, by the caller's site.
SLOTS=$RUN/slots

# take_slot VM SECONDS: for at most so long. One waiter asks for a free slot; the others sleep.
take_slot() {
  mkdir -p "$SLOTS"
  lock 9 slots
  waited=0
  until try_slot "$@"; do
    if [ "$waited" = 0 ]; then
      waiting
      status "waiting for a slot: $in_use VMs of this host start or stop:$holders"
    fi
    [ "$waited" -lt "$p_wait_seconds" ] || fail deadline \
      "timed out after $p_wait_seconds s waiting for one of $p_parallelism slots ($holders)" \
      "Raise parallelism of the hypervisor, or wait until the other VMs are up."
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
  rm -f "$SLOTS/$1"
}

# At the end of every operation, whatever its result: only a start whose guest is awaited keeps its
# slot.
awaits_guest=no
abandon() {
  [ "$awaits_guest" = yes ] || release_slot "$p_name"
}
