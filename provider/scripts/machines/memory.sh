# shellcheck shell=sh
# needs: lib vmm
# The memory target of a VM: what the balloon leaves to the guest, in MiB. $STATE/memory/NAME holds the
# target, $RUN/memory/NAME what the VMM was told last: the unit's invocation, and MiB or `all`.

# record_memory_target NAME MIB: an empty MIB is no target, and the guest has all of its memory.
record_memory_target() {
  if [ -z "$2" ]; then
    rm -f "$STATE/memory/$1"
    return 0
  fi
  mkdir -p "$STATE/memory"
  [ "$(cat "$STATE/memory/$1" 2>/dev/null || true)" = "$2" ] || write_file "$STATE/memory/$1" 0644 "$2"
}

forget_memory_target() {
  rm -f "$STATE/memory/$1" "$RUN/memory/$1"
}

# apply_memory_target NAME: tells the VMM, once for each start and each change. A VM that was never told
# anything has all of its memory.
apply_memory_target() {
  if vm_is_stopped "$1"; then return 0; fi
  require_answer systemctl show --property=InvocationID --value "microvm@$1.service"
  invocation=$answer
  target=$(cat "$STATE/memory/$1" 2>/dev/null || echo all)
  told=$(cat "$RUN/memory/$1" 2>/dev/null || true)
  case $told in
    "$invocation "*) ;;
    *) told="$invocation all" ;;
  esac
  [ "$told" != "$invocation $target" ] || return 0
  journal "setting the memory target of $1: $target"
  tell_memory_target "$1" "$target"
  mkdir -p "$RUN/memory"
  write_file "$RUN/memory/$1" 0644 "$invocation $target"
}

# What QEMU's command takes is the guest's memory, cloud-hypervisor's the balloon's size. microvm-balloon of a
# QEMU runner says nothing of an error, hence QMP.
tell_memory_target() {
  [ -x "$MICROVMS/$1/booted/bin/microvm-balloon" ] || no_memory_control "$1"
  await_vmm "$1" || no_memory_control "$1"
  case $vmm in
    qemu)
      # QEMU takes what is more than the guest has for all of it.
      if [ "$2" = all ]; then bytes=1125899906842624; else bytes=$(($2 * 1024 * 1024)); fi
      qmp "{\"execute\":\"balloon\",\"arguments\":{\"value\":$bytes}" ||
        not_taken "$1" "$qmp_error"
      ;;
    cloud-hypervisor)
      memory=$(vmm_words_behind --memory | sed -n 's/^\(.*,\)\{0,1\}size=\([0-9]*\)M.*/\2/p')
      if [ "$2" = all ]; then balloon=0; else balloon=$((${memory:-0} - $2)); fi
      [ "$balloon" -ge 0 ] || fail operation "the memory target of $1, $2 MiB, is more than its memory"
      refusal=$(cd "$MICROVMS/$1" && booted/bin/microvm-balloon "$balloon" 2>&1) ||
        not_taken "$1" "$(printf '%s' "$refusal" | tail -n 1)"
      ;;
  esac
}

# not_taken NAME CAUSE
not_taken() {
  fail operation "the memory target of $1 was not taken: $2" "A VMM without a balloon needs microvm.balloon = true."
}

no_memory_control() {
  fail operation "the memory target of $1 can't be applied: the VMM that runs has no control socket" \
    "Its runner needs microvm.socket and microvm.balloon = true; or take memoryTarget away."
}
