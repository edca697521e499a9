/** Rules about the disks of VMs: each has its size, its place, and what it is found by. Pure. */
import type { Fault } from "./faults";
import { entries, hasKnownProfile, sharesOf, volumeOf, volumesOf } from "./normalise";
import type { SiteFile, VmFile } from "./schema";
import { duplicates } from "./uniqueness";
import type { Claim } from "./uniqueness";

/** virtio-blk hands on as much of a disk's serial number, by which a guest finds a raw disk. */
const MAX_SERIAL = 20;

export function checkVolumes(
  site: SiteFile,
  path: readonly (string | number)[],
  name: string,
  vm: VmFile,
): Fault[] {
  const faults = volumesOf(site, vm).flatMap(([volume, file]): Fault[] => {
    const at = [...path, "volumes", volume];
    const missing = {
      path: [...at, "size"],
      what: `the volume ${volume} of ${name} has no size`,
      remedy: "state size: 20GiB",
    };
    const unmountable = {
      path: [...at, "mountPoint"],
      what: `the volume ${volume} has a mountPoint but no file system`,
      remedy: "take mountPoint away or state fsType: ext4",
    };
    return [
      ...(file.size === undefined && hasKnownProfile(site, vm) ? [missing] : []),
      ...(file.fsType === "none" && file.mountPoint !== undefined ? [unmountable] : []),
    ];
  });
  return [...faults, ...checkOwnPlaces(site, path, name, vm)];
}

/** Within one guest: by what a disk is found, and where it is mounted. */
function checkOwnPlaces(
  site: SiteFile,
  path: readonly (string | number)[],
  name: string,
  vm: VmFile,
): Fault[] {
  const volumes = volumesOf(site, vm).map(([volume, file]) => volumeOf(name, volume, file));
  const claim = (kind: string, of: string, key: string, value: string, what: string): Claim => ({
    path: [...path, kind, of, key],
    value,
    what: `${what} ${value}`,
  });
  const labels = volumes
    .filter(({ fsType }) => fsType !== "none")
    .map((volume) => claim("volumes", volume.name, "label", volume.label, "label"));
  const serials = volumes.map((volume) => {
    const serial = volume.name.slice(0, MAX_SERIAL);
    return claim("volumes", volume.name, "image", serial, "serial number");
  });
  const mounts = [
    ...volumes.map(({ name: of, mountPoint }) => ({ kind: "volumes", of, mountPoint })),
    ...sharesOf(site, vm).map(({ tag: of, mountPoint }) => ({ kind: "shares", of, mountPoint })),
  ].flatMap(({ kind, of, mountPoint }) =>
    mountPoint === undefined ? [] : [claim(kind, of, "mountPoint", mountPoint, "mount point")],
  );
  return [
    ...duplicates(labels, "state a label of its own, of at most 16 characters"),
    ...duplicates(
      serials,
      `give the volume a name that differs in its first ${MAX_SERIAL} letters`,
    ),
    ...duplicates(mounts, "mount each at a place of its own"),
  ];
}

/** Pulumi knows a volume as `<vm>-<volume>`. */
export function checkVolumeNames(site: SiteFile): Fault[] {
  const claims = entries(site.vms).flatMap(([name, vm]) =>
    volumesOf(site, vm).map(([volume]) => ({
      path: ["vms", name, "volumes", volume],
      value: `${name}-${volume}`,
      what: `the name ${name}-${volume}, under which Pulumi knows a volume,`,
    })),
  );
  return duplicates(claims, "rename the volume");
}
