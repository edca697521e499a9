#!/bin/bash
# Runs the guest in QEMU with the arguments of microvm.nix's QEMU runner (lib/runners/qemu.nix) and
# microvm.qemu.machine = "q35": the machine `microvm` has no usable clock under TCG. Uses TCG if
# there is no KVM. Kernel and initramfs come from the host: lab/guest.
set -eu
share=$(dirname "$(dirname "$(readlink -f "$0")")")/share/microvm
boot=/usr/local/lib/pulumi-microvm-lab/qemu
name=$(cat "$share/name")
memory=$(cat "$share/memoryMiB")
tap=$(cat "$share/tap-interfaces")
system=$(readlink -f "$share/system")

# Some machines have /dev/kvm without hardware support. A guest with KVM would hang there.
accel=tcg
if [ -w /dev/kvm ] && grep -Eqw 'vmx|svm' /proc/cpuinfo; then accel=kvm; fi

# shellcheck disable=SC2054 # QEMU's commas
arguments=(
  -name "$name"
  -M "q35,accel=$accel,acpi=on,mem-merge=on"
  -m "$memory" -smp "$(cat "$share/vcpu")"
  -nodefaults -no-user-config -no-reboot
  -kernel "$boot/vmlinuz" -initrd "$boot/initrd"
  -chardev stdio,id=stdio,signal=off -device virtio-rng-pci -serial chardev:stdio
  -cpu max
  -append "earlyprintk=ttyS0 console=ttyS0 reboot=t panic=-1 quiet init=$system/init"
  -nographic -sandbox on
  -qmp "unix:$name.sock,server,nowait"
  -device virtio-balloon,free-page-reporting=on,id=balloon0,deflate-on-oom=on
  -object "memory-backend-memfd,id=mem,size=${memory}M,share=on" -numa node,memdev=mem
  -netdev "tap,id=$tap,ifname=$tap,script=no,downscript=no"
  -device "virtio-net-pci,netdev=$tap,mac=$(cat "$share/mac"),romfile="
)

letters=({a..z})
index=0
while read -r image; do
  [ -n "$image" ] || continue
  drive=vd${letters[index]}
  arguments+=(
    -drive "id=$drive,format=raw,file=$image,if=none,aio=io_uring,discard=unmap,read-only=off"
    -device "virtio-blk-pci,drive=$drive"
  )
  index=$((index + 1))
done <"$share/volumes"

index=0
for directory in "$share"/virtiofs/*/; do
  arguments+=(
    -chardev "socket,id=fs$index,path=$(cat "${directory}socket")"
    -device "vhost-user-fs-pci,chardev=fs$index,tag=$(basename "$directory")"
  )
  index=$((index + 1))
done

exec -a "microvm@$name" qemu-system-x86_64 "${arguments[@]}"
