/** The root file system of hosts and guests: Debian with the packages of a hypervisor. */
import { join } from "node:path";
import { run } from "./command";
import { cacheDirectory, hashOf, hashOfFiles, labSource, madeOnce } from "./paths";
import { step } from "./progress";

const SUITE = "bookworm";
const PACKAGES = [
  ...["systemd", "systemd-sysv", "systemd-container", "dbus", "libpam-systemd", "udev"],
  ...["openssh-server", "openssh-client", "iproute2", "iputils-ping", "netbase", "procps", "kmod"],
  ...["libvirt-daemon-system", "libvirt-clients", "qemu-system-x86", "qemu-utils"],
  ...["nix-bin", "e2fsprogs", "util-linux", "ca-certificates", "sudo"],
  // On real hosts microvm.nix's runners contain the first two, and NixOS has the third. QEMU guests
  // need the last one.
  ...["socat", "jq", "netcat-openbsd", "busybox-static"],
  // Gitea runs it.
  "git",
  // For Ansible, which the bench compares with. The product does not need it.
  "python3",
];

/** Makes the kernel and the initramfs of QEMU guests from the root. */
const GUEST = join(labSource, "guest");

/** Each copy has its own identity. */
const FORGET_IDENTITY =
  'rm -f "$1"/etc/ssh/ssh_host_* "$1"/etc/resolv.conf "$1"/etc/hostname; : >"$1"/etc/machine-id';

/** The cached root. The first call makes it, from mmdebstrap's default archive. */
export function debianRoot(): Promise<string> {
  const version = hashOf(SUITE, FORGET_IDENTITY, hashOfFiles(GUEST), ...PACKAGES);
  const path = join(cacheDirectory, `debian-${version}`);
  return madeOnce(path, (partial) =>
    step("making the hosts' Debian root with mmdebstrap (takes 1 to 4 minutes)", () =>
      run([
        "mmdebstrap",
        ...["--quiet", "--variant=minbase", `--include=${PACKAGES.join(",")}`],
        `--customize-hook=${join(GUEST, "make-boot-files.sh")}`,
        `--customize-hook=${FORGET_IDENTITY}`,
        ...[SUITE, partial],
      ]).then(() => undefined),
    ),
  );
}
