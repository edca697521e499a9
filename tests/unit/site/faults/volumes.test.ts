/** Faults of volumes and shares. */
import { testFaults } from "./cases";
import type { Case } from "./cases";

testFaults([
  [
    "one image for two VMs",
    (s) => s.replace("vsockCid: 32", "volumes: { var: { image: /var/lib/microvms/kw1/var.img } }"),
    "vms.kw2.volumes.var.image: image /var/lib/microvms/kw1/var.img is already used by vms.kw1",
  ],
  [
    "path with a '.' part",
    (s) => s.replace("vsockCid: 32", "volumes: { var: { image: /srv/./var.img } }"),
    "vms.kw2.volumes.var.image: has empty or '.' parts; write each '/' once",
  ],
  [
    "one resource name for two volumes",
    (s) =>
      s
        .replace("  kw2:", "  kw1-a:")
        .replace("vsockCid: 32", "volumes: { b: { size: 1GiB } }")
        .replace("vsockCid: 31", "volumes: { a-b: { size: 1GiB } }"),
    "vms.kw1-a.volumes.b: the resource name kw1-a-b of the volume is already used by vms.kw1",
  ],
  [
    "one label for two volumes of a VM",
    (s) =>
      s.replace(
        "vsockCid: 32",
        "volumes: { postgres-data-primary: { size: 1GiB }, postgres-data-premium: { size: 1GiB } }",
      ),
    "vms.kw2.volumes.postgres-data-primary.label: label postgres-data-pr is already used by " +
      "volumes.postgres-data-premium",
  ],
  [
    "one mount point for two volumes",
    (s) => s.replace("vsockCid: 32", "volumes: { v: { size: 1GiB, mountPoint: /var } }"),
    "vms.kw2.volumes.var.mountPoint: mount point /var is already used by volumes.v",
  ],
  [
    "one serial number for two raw disks",
    (s) =>
      s.replace(
        "vsockCid: 32",
        "volumes: { object-storage-daemon-1: { size: 1GiB, fsType: none }, " +
          "object-storage-daemon-2: { size: 1GiB, fsType: none } }",
      ),
    "serial number object-storage-daemo is already used by volumes.object-storage-daemon-1",
  ],
  [
    "path with '..'",
    (s) => s.replace("mountPoint: /var", "mountPoint: /var/../etc"),
    "profiles.worker.volumes.var.mountPoint: contains '..'",
  ],
  [
    "path with shell characters",
    (s) => s.replace("mountPoint: /var", 'mountPoint: "/var/$(id)"'),
    "profiles.worker.volumes.var.mountPoint: is not a plain absolute path",
  ],
  [
    "volume without size",
    (s) => s.replace("size: 10GiB, ", ""),
    "vms.kw1.volumes.var.size: the volume var of kw1 has no size; state size: 20GiB",
  ],
  [
    "malformed size",
    (s) => s.replace("10GiB", "10GB"),
    "profiles.worker.volumes.var.size: is not a size; write a number and MiB, GiB or TiB: 20GiB",
  ],
  [
    "size with a part of a MiB",
    (s) => s.replace("10GiB", "0.3MiB"),
    "profiles.worker.volumes.var.size: is not a whole number of MiB",
  ],
  [
    "unsupported image format",
    (s) => s.replace("vsockCid: 32", "volumes: { var: { image: /srv/var.qcow2 } }"),
    "vms.kw2.volumes.var.image: does not end in .img or .raw; name the image file",
  ],
  [
    "a share without source",
    (s) => s.replace("vsockCid: 32", "shares: { models: { mountPoint: /models } }"),
    "vms.kw2.shares.models.source: is missing; state it (text)",
  ],
  ...["/", "/etc", "/etc/ssh", "/nix", "/nix/store", "/nix/.ro-store", "/proc", "/sys", "/dev"].map(
    (place): Case => [
      `a volume at ${place}`,
      (s) => s.replace("vsockCid: 32", `volumes: { v: { size: 1GiB, mountPoint: ${place} } }`),
      `32:45 vms.kw2.volumes.v.mountPoint: nothing can be mounted at ${place}: `,
    ],
  ),
  ...["/run", "/nix/store/x", "/nix/.ro-store/x", "/proc/x", "/sys/fs/bpf", "/dev/shm"].map(
    (place): Case => [
      `a share at ${place}`,
      (s) => s.replace("vsockCid: 32", `shares: { v: { source: /srv, mountPoint: ${place} } }`),
      `vms.kw2.shares.v.mountPoint: nothing can be mounted at ${place}: `,
    ],
  ),
  [
    "a reserved mount point of the profile",
    (s) => s.replace("mountPoint: /var", "mountPoint: /etc"),
    "vms.kw1.volumes.var.mountPoint: nothing can be mounted at /etc: the guest's own /etc with",
  ],
  ...["etc", "ro-store"].map((tag): Case => [
    `a share with the tag ${tag}`,
    (s) => s.replace("vsockCid: 32", `shares: { ${tag}: { source: /a, mountPoint: /b } }`),
    `vms.kw2.shares.${tag}: the tag ${tag} is reserved for the share of the`,
  ]),
]);
