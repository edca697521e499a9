# shellcheck shell=sh
# needs: lib vmm
# The memory target of a VM: the memory in MiB that the balloon leaves to the guest.
# $STATE/memory/NAME holds the target. $RUN/memory/NAME holds what was last sent to the VMM: the
# unit's invocation, and MiB or `all`.

# record_memory_target NAME MIB: an empty MIB means no target: the guest gets all of its memory.
record_memory_target() {
  if [ -z "$2" ]; then
    remove_files "$STATE/memory/$1"
    return 0
  fi
  mkdir -p "$STATE/memory"
  [ "$(cat "$STATE/memory/$1" 2>/dev/null || true)" = "$2" ] ||
    write_file "$STATE/memory/$1" 0644 "$2"
}

forget_memory_target() {
  remove_files "$STATE/memory/$1" "$RUN/memory/$1"
}

# apply_memory_target NAME: sends the target to the VMM once for each start and each change. A newly
# started VM has all of its memory.
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

# QEMU expects the size of the guest's memory, cloud-hypervisor the size of the balloon. For QEMU
# this uses QMP, because microvm-balloon of a QEMU runner does not report errors.
tell_memory_target() {
  find_balloon "$1"
  await_vmm "$1" || no_memory_control "$1"
  case $vmm in
    qemu)
      # A value above the guest's memory means all of it.
      if [ "$2" = all ]; then bytes=1125899906842624; else bytes=$(($2 * 1024 * 1024)); fi
      qmp "{\"execute\":\"balloon\",\"arguments\":{\"value\":$bytes}" ||
        fail_rejected "$1" "$qmp_error"
      ;;
    cloud-hypervisor)
      memory=$(vmm_words_behind --memory | sed -n 's/^\(.*,\)\{0,1\}size=\([0-9]*\)M.*/\2/p')
      if [ "$2" = all ]; then balloon=0; else balloon=$((${memory:-0} - $2)); fi
      [ "$balloon" -ge 0 ] ||
        fail operation "the memory target of $1, $2 MiB, is larger than its memory, $memory MiB"
      printed=$(cd "$MICROVMS/$1" && "$balloon_program" "$balloon" 2>&1) ||
        fail_rejected "$1" "$(printf '%s' "$printed" | tail -n 1)"
      ;;
  esac
}

# find_balloon NAME: sets `balloon_program` to the runner's microvm-balloon. Root runs it, and user
# microvm owns the links in the directory of the VM, so only programs of the Nix store are accepted.
find_balloon() {
  balloon_program=$(readlink -f "$MICROVMS/$1/booted/bin/microvm-balloon" || true)
  case $balloon_program in
    /nix/store/*) [ -x "$balloon_program" ] || no_memory_control "$1" ;;
    *) no_memory_control "$1" ;;
  esac
}

# fail_rejected NAME CAUSE
fail_rejected() {
  fail operation "the VMM of $1 rejected the memory target: $2" \
    "If the VM has no balloon, set microvm.balloon = true for it."
}

no_memory_control() {
  fail operation "the memory target of $1 can't be applied: the VMM has no control socket" \
    "Set microvm.socket and microvm.balloon = true for the VM, or remove memoryTarget."
}
