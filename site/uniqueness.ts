/** What has to be one's own in a site: addresses, names, images. Pure. */
import type { Fault } from "./faults";
import { parseIp } from "./network";
import { entries, imageOf, networkOf, volumesOf } from "./normalise";
import type { SiteFile, VmFile } from "./schema";

type Path = readonly (string | number)[];

export interface Claim {
  path: Path;
  value: string;
  what: string;
}

/** The first to claim a value has it; each later one is a fault that names the first. */
export function duplicates(claims: Claim[], remedy: string): Fault[] {
  const owners = new Map<string, Claim>();
  return claims.flatMap((claim) => {
    const owner = owners.get(claim.value);
    if (owner === undefined) {
      owners.set(claim.value, claim);
      return [];
    }
    return [
      {
        path: claim.path,
        what: `${claim.what} is already that of ${nameOf(owner.path, claim.path)}`,
        remedy,
      },
    ];
  });
}

/** The entry of a top map, or within the same one the part of it: `volumes.var`. */
function nameOf(owner: Path, claim: Path): string {
  const isSame = owner[0] === claim[0] && owner[1] === claim[1];
  return owner.slice(isSame ? 2 : 0, isSame ? 4 : 2).join(".");
}

export function checkUniqueness(site: SiteFile): Fault[] {
  const hypervisors = entries(site.hypervisors);
  const hostIps = hypervisors.map(([name, { hostIp }]) => {
    const value = hostIp.split("/")[0] ?? "";
    return { path: ["hypervisors", name, "hostIp"], value, what: `address ${value}` };
  });
  // By SSH it may be reached at another address of its own.
  const addresses = hypervisors.flatMap(([name, { address, hostIp }]) =>
    parseIp(address) === undefined || hostIp.startsWith(`${address}/`)
      ? []
      : [{ path: ["hypervisors", name, "address"], value: address, what: `address ${address}` }],
  );
  const names = hypervisors.map(([value]) => ({
    path: ["hypervisors", value],
    value,
    what: `host name ${value}`,
  }));
  const gateways = [
    ...new Set(entries(site.vms).flatMap(([, vm]) => networkOf(site, vm).gateway ?? [])),
  ].map((value) => ({
    path: ["network", "gateway"],
    value,
    what: `address ${value}`,
  }));
  const endpoints = hypervisors.map(([name, { address, ssh }]) => {
    const value = `${address}:${ssh.port ?? site.ssh?.port ?? 22} ${ssh.jumpHost ?? ""}`;
    return { path: ["hypervisors", name, "address"], value, what: `SSH address ${value.trim()}` };
  });
  const of = (
    key: string,
    value: (vm: VmFile, name: string) => string | undefined,
    label: string,
  ): Claim[] =>
    entries(site.vms).flatMap(([name, vm]) => {
      const claimed = value(vm, name);
      if (claimed === undefined) return [];
      return [
        {
          path: ["vms", name, key],
          value: claimed,
          what: `${label} ${claimed.split(" ").pop() ?? ""}`,
        },
      ];
    });
  const images = entries(site.vms).flatMap(([name, vm]) =>
    volumesOf(site, vm).map(([volume, file]) => {
      const image = imageOf(name, volume, file);
      const path = ["vms", name, "volumes", volume, "image"];
      return { path, value: `${vm.hypervisor} ${image}`, what: `image ${image}` };
    }),
  );
  return [
    ...duplicates(endpoints, "give each hypervisor its own"),
    ...duplicates(
      [
        ...hostIps,
        ...addresses.filter(({ value }) => isVmAddress(site, value)),
        ...gateways.filter(({ value }) => hostIps.every((host) => host.value !== value)),
        ...of("ip", (vm) => vm.ip, "address"),
      ],
      "give each its own address",
    ),
    ...duplicates(
      of("mac", (vm) => vm.mac.toLowerCase(), "MAC"),
      "give each VM its own MAC",
    ),
    ...duplicates(
      of(
        "vsockCid",
        (vm) => (vm.vsockCid === undefined ? undefined : `${vm.hypervisor} ${vm.vsockCid}`),
        "vsock CID",
      ),
      "give each VM of a hypervisor its own",
    ),
    ...duplicates(
      [...names, ...of("hostName", (vm, name) => vm.hostName ?? name, "host name")],
      "give each machine its own host name",
    ),
    ...duplicates(images, "give each volume its own image"),
  ];
}

/** Hypervisors behind different jump hosts may share an address; none may with a VM. */
function isVmAddress(site: SiteFile, address: string): boolean {
  return entries(site.vms).some(([, vm]) => vm.ip === address);
}
