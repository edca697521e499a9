# shellcheck shell=sh
# needs: k0s-operation
# Moves the state of an old membership to left-ID/ in the data directory: on the same file system,
# so nothing is copied. Stops k0s before. p_reason

# A mount below would be moved too, or fail to move. Containers have such mounts.
require_unused() {
  shim=$(grep -lx 'containerd-shim.*' /proc/[0-9]*/comm 2>/dev/null | head -n 1) || true
  [ -z "$shim" ] || fail operation \
    "containers of the old membership still run, so its state in $k0s_data stays as it is" \
    "Restart the VM, then run up again."
  while read -r _ _ _ _ place _; do
    case $place in
      "$k0s_data"/*) fail operation \
        "$place is a mount, so the old state in $k0s_data stays as it is" \
        "Unmount it or restart the VM, then run up again." ;;
    esac
  done </proc/self/mountinfo
}

# An interrupted run has begun the directory already. Our own files are moved too, except the one
# that forbids a start.
set_aside() {
  begun=$k0s_data/setting-aside
  mkdir -p "$begun/pulumi-microvm"
  for entry in "$k0s_data"/* "$k0s_data"/.[!.]*; do
    if [ ! -e "$entry" ] && [ ! -L "$entry" ]; then continue; fi
    case ${entry##*/} in setting-aside | left-* | pulumi-microvm | lost+found) continue ;; esac
    mv -T "$entry" "$begun/${entry##*/}"
  done
  if [ -e "$k0s_own/cluster.json" ]; then
    mv -T "$k0s_own/cluster.json" "$begun/pulumi-microvm/cluster.json"
  fi
  write_file "$begun/pulumi-microvm/reason" 0600 "$p_reason"
  mv -T "$begun" "$k0s_data/left-$(date -u +%Y%m%dT%H%M%S)"
}

lock 4 host
working
remove_files "$K0S_MARK"
forbid_start "$p_reason"
stop_k0s
require_unused
journal "setting the state of k0s aside: $p_reason"
set_aside
finish
