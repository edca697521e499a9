#!/bin/bash
# Replaces the VMM: runs the guest as a systemd-nspawn machine. Like a VMM, it gives the guest a
# network card on the bridge, its disks, its shares, and an ephemeral root. Not covered, because a
# container cannot have it: an own kernel, limits of memory and vCPUs, vsock, QMP, and growing a
# disk in use. Fails if an image or a share is missing.
set -eu
runner=$(dirname "$(dirname "$(readlink -f "$0")")")
share=$runner/share/microvm
name=$(cat "$share/name")
state=/var/lib/microvms/$name
lab=/usr/local/lib/pulumi-microvm-lab
guest_root=$lab/guest-root

fail() {
  echo "microvm-run: $name: $*" >&2
  exit 1
}

arguments=(
  --quiet --register=no --keep-unit --machine="$name"
  --directory="$guest_root" --volatile=overlay
  --uuid="$(printf 'pulumi-microvm lab %s' "$name" | md5sum | cut -c1-32)"
  --network-bridge="$(cat "$share/bridge")"
  --resolv-conf=off --timezone=off --link-journal=no
  --capability=all --system-call-filter='@keyring bpf'
  --kill-signal=SIGRTMIN+3
  --bind-ro=/nix/store
  # The programs of Kubernetes, shared by all guests: see lab/guestPrograms.ts.
  --bind-ro="$lab/programs" --bind-ro="$lab/kubernetes"
)

# The guest has the /etc of its root. Of the /etc share it gets only the SSH keys and the
# directories of things that it keeps (below).
while IFS=$'\t' read -r source tag mode; do
  [ -n "$tag" ] || continue
  [ -d "$source" ] || fail "share $source is missing"
  if [ "$mode" = ro ]; then
    arguments+=("--bind-ro=$source:/mnt/lab-shares/$tag")
  else
    arguments+=("--bind=$source:/mnt/lab-shares/$tag")
  fi
done <"$share/shares"

host_key=$state/etc/ssh/ssh_host_ed25519_key
[ -f "$host_key" ] || fail "$host_key is missing"
for key in "$host_key"*; do
  arguments+=("--bind-ro=$key:/etc/ssh/${key##*/}")
done

# Its running system, and the join token of k0s.
for kept in pulumi-microvm k0s; do
  mkdir -p "$state/etc/$kept"
  arguments+=("--bind=$state/etc/$kept:/etc/$kept")
done

# Checks all images first, so that a missing image leaves no loop device behind.
mapfile -t images < <(grep . "$share/volumes" || true)
for image in "${images[@]}"; do
  [ -f "$image" ] || fail "volume image $image is missing"
done
letters=({a..z})
index=0
for image in "${images[@]}"; do
  loop=$(losetup --find --show "$image") || fail "no loop device for $image"
  # nspawn inherits the open file, so the device is detached when the guest ends.
  # shellcheck disable=SC2034
  exec {held}<>"$loop"
  losetup --detach "$loop"
  arguments+=("--bind=$loop:/dev/vd${letters[index]}")
  index=$((index + 1))
done

exec systemd-nspawn "${arguments[@]}" "$(readlink -f "$share/system")/init"
