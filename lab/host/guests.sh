#!/bin/sh
# Lists the VMs of a hypervisor, one per line: name, unit state, host key, machine.json.
for directory in /var/lib/microvms/*/; do
  [ -L "${directory}current" ] || continue
  name=$(basename "$directory")
  key=$(cat "${directory}etc/ssh/ssh_host_ed25519_key.pub" 2>/dev/null || true)
  machine=$(cat "${directory}current/share/microvm/system/machine.json" 2>/dev/null || true)
  printf '%s\t%s\t%s\t%s\n' "$name" "$(systemctl is-active "microvm@$name")" "$key" "$machine"
done
