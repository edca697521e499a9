# shellcheck shell=sh
# needs: begin vmm
# Holds a VM back while one of its images is worked on: the unit microvm@NAME has a condition on
# $STATE/held/NAME, so nothing starts it, neither a person nor the autostart unit. A crash leaves the
# hold: the image may be half done, and the next up resolves it. p_vm; p_key: the volume.
holds=$STATE/held/$p_vm

# hold_vm: fails where the VM runs. Behind the lock of the VM, which keeps other operations away.
hold_vm() {
  lock 6 "vm.$p_vm" shared
  require_hold_condition
  mkdir -p "$holds"
  chmod 0755 "$STATE/held" "$holds"
  write_file "$holds/$p_key" 0644 "$p_doing"
  # What was queued before sees the condition when its turn comes.
  attempts=0
  while vm_has_job "$p_vm" && [ "$attempts" -lt 600 ]; do
    status "waiting for the queued job of microvm@$p_vm"
    sleep 0.1
    attempts=$((attempts + 1))
  done
  if vm_is_stopped "$p_vm" && ! vm_has_job "$p_vm"; then return 0; fi
  release_vm
  return 1
}

release_vm() {
  rm -f "$holds/$p_key"
  rmdir "$holds" 2>/dev/null || true
}

require_hold_condition() {
  # It fails if there is no such unit: that has no condition either.
  ask systemctl cat "microvm@$p_vm.service" || true
  printf '%s\n' "$answer" | grep -Fq '/held/' || fail operation \
    "microvm@$p_vm.service has no condition that keeps it from starting while its images change" \
    "Import nixosModules.virtualization of this version on the host, and switch it (docs/host-units.md)."
}

vm_has_job() {
  require_answer systemctl show --property=Job --value "microvm@$1.service"
  [ "${answer:-0}" != 0 ]
}
