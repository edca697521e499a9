# shellcheck shell=sh
# needs: begin vmm
# Prevents a VM from starting while one of its images changes. The unit microvm@NAME has a condition
# on $STATE/held/NAME, so neither a person nor the autostart unit can start it. A crash leaves the
# hold, because the image may be incomplete. The next up completes the image and removes the hold.
# p_vm; p_key: the volume
holds=$STATE/held/$p_vm

# hold_vm: returns false if the VM runs. Takes the lock of the VM, so that no other operation starts
# it.
hold_vm() {
  lock 6 "vm.$p_vm" shared
  require_hold_condition
  mkdir -p "$holds"
  chmod 0755 "$STATE/held" "$holds"
  write_file "$holds/$p_key" 0644 "$p_doing"
  # systemd checks the condition also for a start job that was queued before the hold.
  if await_no_job && vm_is_stopped "$p_vm"; then return 0; fi
  release_vm
  return 1
}

# await_no_job: waits up to 60 s for the queued job of the VM. systemd has no command that waits for
# a job, so this polls once a second.
await_no_job() {
  vm_has_job "$p_vm" || return 0
  status "waiting for the queued job of microvm@$p_vm"
  attempts=0
  while [ "$attempts" -lt 60 ]; do
    sleep 1
    vm_has_job "$p_vm" || return 0
    attempts=$((attempts + 1))
  done
  return 1
}

release_vm() {
  remove_files "$holds/$p_key"
  rmdir "$holds" 2>/dev/null || true
}

require_hold_condition() {
  # Fails if the unit does not exist. Then there is no condition either.
  ask systemctl cat "microvm@$p_vm.service" || true
  printf '%s\n' "$answer" | grep -Fq '/held/' || fail operation \
    "microvm@$p_vm.service has no condition that prevents a start while its images change" \
    "Import this version's nixosModules.virtualization on the host (docs/host-units.md)."
}

vm_has_job() {
  require_answer systemctl show --property=Job --value "microvm@$1.service"
  [ "${answer:-0}" != 0 ]
}
