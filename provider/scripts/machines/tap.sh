# shellcheck shell=sh
# needs: lib
# The taps of a running VM. On NixOS, systemd-networkd connects a tap when it is created. If
# somebody removes the tap from the bridge, networkd does not connect it again.

# The taps of the runner that the VM was started with. User microvm owns the links in the directory
# of the VM, so only a runner of the Nix store is read.
vm_taps() {
  runner=$(readlink -f "$MICROVMS/$p_name/booted" || true)
  case $runner in
    /nix/store/*) cat "$runner/share/microvm/tap-interfaces" 2>/dev/null || true ;;
  esac
}

# connect_taps BRIDGE: skips missing taps. A restart of the VM creates them.
connect_taps() {
  for tap in $(vm_taps); do
    case $tap in *[!A-Za-z0-9._-]* | -*) continue ;; esac
    ip link show dev "$tap" >/dev/null 2>&1 || continue
    journal "connecting $tap of $p_name to $1"
    printed=$(ip link set dev "$tap" master "$1" up 2>&1) ||
      fail operation "$tap of VM $p_name was not connected to $1: $(one_line "$printed")" \
        "Look at the bridge: ip link show dev $1"
  done
}
