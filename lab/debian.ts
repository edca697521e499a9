/** The root file system that hosts and guests share: Debian with what a hypervisor needs. */
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
  // microvm.nix's runners bring the first two along, NixOS has the third; the last is for QEMU guests.
  ...["socat", "jq", "netcat-openbsd", "busybox-static"],
  // Nothing of the product needs it: it is what Ansible, which the bench compares with, runs on.
  "python3",
];

/** What a QEMU guest boots is made of the root itself. */
const GUEST = join(labSource, "guest");

/** Each copy gets an identity of its own. */
const FORGET_IDENTITY =
  'rm -f "$1"/etc/ssh/ssh_host_*; : >"$1"/etc/machine-id; rm -f "$1"/etc/resolv.conf "$1"/etc/hostname';

/** The cached root; the first call makes it, from the archive that mmdebstrap takes by default. */
export function debianRoot(): Promise<string> {
  const version = hashOf(SUITE, FORGET_IDENTITY, hashOfFiles(GUEST), ...PACKAGES);
  const path = join(cacheDirectory, `debian-${version}`);
  return madeOnce(path, (partial) =>
    step("making the hosts' Debian root with mmdebstrap", () =>
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
