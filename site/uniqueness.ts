/** What must be unique in a site or in a VM: addresses, names, images, mount points. Pure. */
import type { SiteDraft, VmDraft } from "./draft";
import type { Issue, Path } from "./issues";
import { parseIp } from "./network";
import type { Value } from "./value";

/** virtio-blk passes on 20 characters of a serial number. A guest finds its raw disks by it. */
const MAX_SERIAL = 20;

export interface Claim {
  path: Path;
  /** Equal values are a conflict. */
  value: string;
  what: string;
}

/** The first claim of a value wins. Each later one is an issue that names the first. */
export function duplicates(claims: readonly Claim[], remedy: string): Issue[] {
  const owners = new Map<string, Claim>();
  return claims.flatMap(({ path, value, what }): Issue[] => {
    const owner = owners.get(value);
    if (owner === undefined) {
      owners.set(value, { path, value, what });
      return [];
    }
    const used = `${what} is already used by ${ownerName(owner.path, path)}`;
    return [{ path, code: "not-unique", what: used, remedy }];
  });
}

/** The entry of a top-level map; within the same entry, the part of it: `volumes.var`. */
function ownerName(owner: Path, claim: Path): string {
  const isSame = owner[0] === claim[0] && owner[1] === claim[1];
  return owner.slice(isSame ? 2 : 0, isSame ? 4 : 2).join(".");
}

function claim({ path, value }: Value<string | number>, what: string, scope = ""): Claim[] {
  if (value === undefined) return [];
  return [{ path, value: `${scope}${value}`, what: `${what} ${value}` }];
}

export function checkUniqueness(site: SiteDraft): Issue[] {
  const { hypervisors, vms } = site;
  const onHost = (vm: VmDraft): string => `${vm.hypervisor.value ?? ""} `;
  const hasHost = vms.filter((vm) => vm.hypervisor.value !== undefined);
  const hostNames = hypervisors.map(({ path, name }) => ({
    path,
    value: name,
    what: `host name ${name}`,
  }));
  return [
    ...duplicates(endpoints(site), "give each hypervisor its own address"),
    ...duplicates(addresses(site), "give each its own address"),
    ...duplicates(
      vms.flatMap((vm) => claim(vm.mac, "MAC")),
      "give each VM its own MAC",
    ),
    ...duplicates(
      hasHost.flatMap((vm) => claim(vm.vsockCid, "vsock CID", onHost(vm))),
      "give each VM of a hypervisor its own vsock CID",
    ),
    ...duplicates(
      [...hostNames, ...vms.flatMap((vm) => claim(vm.hostName, "host name"))],
      "give each machine its own host name",
    ),
    ...duplicates(
      hasHost.flatMap((vm) => vm.volumes.flatMap(({ image }) => claim(image, "image", onHost(vm)))),
      "give each volume its own image",
    ),
    ...duplicates(resourceNames(vms), "rename the volume"),
    ...vms.flatMap(checkGuest),
  ];
}

function endpoints({ hypervisors }: SiteDraft): Claim[] {
  return hypervisors.flatMap(({ endpoint: { address, port, jumpHost } }) => {
    if (address.value === undefined || port.value === undefined || jumpHost.isFaulty) return [];
    const at = `${address.value}:${port.value}`;
    const value = `${at} ${jumpHost.value ?? ""}`.trim();
    return [{ path: address.path, value, what: `SSH address ${value}` }];
  });
}

/** IP addresses of hypervisors, gateways and VMs, as the VMs' networks see them. */
function addresses({ hypervisors, vms }: SiteDraft): Claim[] {
  const hostIps = hypervisors.flatMap(({ hostIp }) =>
    hostIp.value === undefined
      ? []
      : claim({ ...hostIp, value: hostIp.value.split("/")[0] ?? "" }, "address"),
  );
  const isHostIp = (value: string | undefined): boolean =>
    hostIps.some((host) => host.value === value);
  // Hypervisors behind different jump hosts may share an SSH address. No VM may have it.
  const reached = hypervisors.flatMap(({ endpoint: { address } }) => {
    const isVm = vms.some(({ ip }) => ip.value !== undefined && ip.value === address.value);
    const isIp = parseIp(address.value ?? "") !== undefined;
    return isVm && isIp && !isHostIp(address.value) ? claim(address, "address") : [];
  });
  const gateways = [...new Set(vms.flatMap(({ gateway }) => gateway.value ?? []))]
    .filter((value) => !isHostIp(value))
    .map((value) => ({ path: ["network", "gateway"], value, what: `address ${value}` }));
  return [...hostIps, ...reached, ...gateways, ...vms.flatMap(({ ip }) => claim(ip, "address"))];
}

/** Pulumi knows a volume as `<vm>-<volume>`. */
function resourceNames(vms: readonly VmDraft[]): Claim[] {
  return vms.flatMap(({ volumes }) =>
    volumes.flatMap(({ path, resourceNames: names }) =>
      names.map((value) => ({
        path,
        value,
        what: `the resource name ${value} of the volume`,
      })),
    ),
  );
}

/** Within one guest: how it finds its disks, and where it mounts them. */
function checkGuest({ volumes, shares }: VmDraft): Issue[] {
  const formatted = volumes.filter(({ fsType }) => fsType !== "none");
  const serials = volumes.map(({ path, name }) => {
    const serial = name.slice(0, MAX_SERIAL);
    return { path, value: serial, what: `serial number ${serial}` };
  });
  return [
    ...duplicates(
      formatted.flatMap(({ label }) => claim(label, "label")),
      "state another label, of at most 16 characters",
    ),
    ...duplicates(
      serials,
      `give the volume a name that differs in its first ${MAX_SERIAL} letters`,
    ),
    ...duplicates(
      [...volumes, ...shares].flatMap(({ mountPoint }) => claim(mountPoint, "mount point")),
      "mount each at its own path",
    ),
  ];
}
