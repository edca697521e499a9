/**
 * Names that the program and the provider must spell alike. The site, the components and the
 * provider may all import this file; it imports nothing. Pure.
 */

/** Where microvm.nix keeps a directory for each VM. */
export const VMS_DIRECTORY = "/var/lib/microvms";

/** The preflight checks of a hypervisor, in the order in which they are reported. */
export const CHECK_NAMES = [
  "kvm",
  "libvirtd",
  "bridge",
  "units",
  "nix",
  "clock",
  "memory",
  "disk",
] as const;
export type CheckName = (typeof CHECK_NAMES)[number];

/** What a member of the k0s cluster does: control plane, workloads, or both. */
export const K0S_ROLES = ["controller", "worker", "controller+worker"] as const;
export type K0sRole = (typeof K0S_ROLES)[number];

/** It has a vote in etcd. */
export const isController = (role: K0sRole | undefined): boolean =>
  role === "controller" || role === "controller+worker";

/** It has a Kubernetes node and runs pods. */
export const isWorker = (role: K0sRole | undefined): boolean =>
  role === "worker" || role === "controller+worker";

/** What a failed check does: stops the run or warns. `off`: not checked. */
export type CheckMode = "require" | "warn" | "off";

/** Path of a volume's image if the site states none: where microvm.nix looks for `VOLUME.img`. */
export function defaultImage(vm: string, volume: string): string {
  return `${VMS_DIRECTORY}/${vm}/${volume}.img`;
}

/** The id of a volume. It has the path of the image only if that is not the default. */
export function volumeId(
  hypervisor: string,
  volume: { vm: string; name: string; image: string },
): string {
  const { vm, name, image } = volume;
  const id = `${hypervisor}/${vm}.${name}`;
  return image === defaultImage(vm, name) ? id : `${id}=${image}`;
}

/** One value for each check. */
export function forEachCheck<T>(value: (check: CheckName) => T): Record<CheckName, T> {
  return {
    kvm: value("kvm"),
    libvirtd: value("libvirtd"),
    bridge: value("bridge"),
    units: value("units"),
    nix: value("nix"),
    clock: value("clock"),
    memory: value("memory"),
    disk: value("disk"),
  };
}
