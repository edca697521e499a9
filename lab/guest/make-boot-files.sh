#!/bin/sh
# A hook of mmdebstrap. It adds to a Debian root what a QEMU guest boots: Debian's cloud kernel, and
# an initramfs with programs of the root, which stays the guest's root file system.
# make-boot-files.sh ROOT
set -eu
root=$1
source=$(dirname "$(readlink -f "$0")")
target=$root/usr/local/lib/pulumi-microvm-lab/qemu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
tree=$work/tree

# busybox has most programs. Its `head -c` reads more from a pipe than it prints, and its shell
# always uses that one.
PROGRAMS="/bin/busybox /bin/dash /usr/bin/head /usr/sbin/sshd /usr/sbin/resize2fs /usr/sbin/blkid"
# In the order in which they are loaded.
MODULES="virtio_ring virtio virtio_pci_legacy_dev virtio_pci_modern_dev virtio_pci virtio_blk \
  failover net_failover virtio_net virtio_balloon virtio-rng fuse virtiofs"

# Unpacked, not installed: the package's scripts would make another initramfs.
fetch_kernel() {
  export APT_CONFIG="${MMDEBSTRAP_APT_CONFIG:-}"
  package=$(apt-cache depends linux-image-cloud-amd64 | sed -n 's/^ *Depends: //p' | head -n 1)
  (cd "$work" && apt-get -qq -o APT::Sandbox::User=root download "$package")
  dpkg-deb -x "$work"/*.deb "$work/kernel"
}

# A program, its loader and its libraries, at the same paths.
add_program() {
  install -D -m 0755 "$root$1" "$tree$1"
  for library in $(chroot "$root" ldd "$1" 2>/dev/null | grep -o '/[^ ]*'); do
    [ -e "$tree$library" ] || install -D -m 0755 "$root$library" "$tree$library"
  done
}

add_modules() {
  mkdir -p "$tree/modules"
  for module in $MODULES; do
    find "$work/kernel/lib/modules" -name "$module.ko" -exec cp {} "$tree/modules/" \;
    echo "/modules/$module.ko" >>"$tree/modules/order"
  done
}

make_tree() {
  mkdir -p "$tree"
  for directory in dev etc mnt nix/store proc root run sbin sys tmp usr/bin var/empty; do
    mkdir -p "$tree/$directory"
  done
  for program in $PROGRAMS; do add_program "$program"; done
  ln -s dash "$tree/bin/sh"
  install -m 0755 "$source/init.sh" "$tree/init"
  add_modules
}

pack() {
  mkdir -p "$target"
  cp "$work"/kernel/boot/vmlinuz-* "$target/vmlinuz"
  cp -a "$tree" "$root/initramfs.partial"
  chroot "$root" sh -c 'cd /initramfs.partial && find . | busybox cpio -o -H newc 2>/dev/null' |
    gzip -1 >"$target/initrd"
  rm -rf "$root/initramfs.partial"
}

fetch_kernel
make_tree
pack
