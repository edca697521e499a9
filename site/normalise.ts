/** The site file with every default filled in and every reference resolved. Pure. */
import { CHECK_NAMES } from "./model";
import type {
  Checks,
  HypervisorModel,
  ShareModel,
  SiteModel,
  SshEndpoint,
  SystemModel,
  VmModel,
  VolumeModel,
} from "./model";
import { parseCidr } from "./network";
import type { HypervisorFile, SiteFile, VmFile, VolumeFile } from "./schema";
import { parseDuration, parseSize } from "./units";

const DEFAULT_PORT = 22;
const DEFAULT_USER = "root";
const MAX_LABEL = 16;
const DEFAULT_START_TIMEOUT_SECONDS = 600;
const DEFAULT_SWITCH_TIMEOUT_SECONDS = 300;
const DEFAULT_CONFIRM_TIMEOUT_SECONDS = 90;
const DEFAULT_BOOT_TIMEOUT_SECONDS = 600;

/** How relative paths of the site file become absolute; effects stay with the loader. */
export interface Paths {
  flake: (reference: string) => string;
  file: (path: string) => string;
}

/** Only for a file that passed the schema and the rules. */
export function normalise(site: SiteFile, paths: Paths): SiteModel {
  const hypervisors = entries(site.hypervisors).map(([name, file]) =>
    hypervisorOf(site, name, file),
  );
  const vms = entries(site.vms).map(([name, file]) => vmOf(site, name, file));
  return {
    flake: paths.flake(site.flake),
    credentials: {
      agent: site.ssh?.agent ?? true,
      identityFiles: (site.ssh?.identityFiles ?? []).map((file) => paths.file(file)),
    },
    operatorKeys: site.ssh?.operatorKeys ?? [],
    hypervisors,
    vms,
  };
}

/** Sorted by name, so that the order in the file changes nothing. */
export function entries<T>(record: Record<string, T> | null | undefined): [string, T][] {
  return Object.entries(record ?? {}).sort(([a], [b]) => (a < b ? -1 : 1));
}

/** MiB of a size that passed the schema. */
export function mib(size: string | undefined): number | undefined {
  return size === undefined ? undefined : parseSize(size);
}

function hypervisorOf(site: SiteFile, name: string, file: HypervisorFile): HypervisorModel {
  const memoryMiB = mib(file.memory);
  const diskMiB = mib(file.disk);
  return {
    name,
    endpoint: endpointOf(site, { address: file.address, ...file.ssh }),
    nic: file.nic,
    bridge: file.bridge ?? "br0",
    hostIp: file.hostIp,
    ...(memoryMiB === undefined ? {} : { memoryMiB }),
    ...(diskMiB === undefined ? {} : { diskMiB }),
    checks: checksOf(file),
    maintenance: file.maintenance ?? false,
    build: file.build ?? "operator",
    ...(file.system === undefined ? {} : { system: systemOf(file.system) }),
  };
}

function systemOf(file: NonNullable<HypervisorFile["system"]>): SystemModel {
  const seconds = (text: string | undefined, otherwise: number): number =>
    parseDuration(text ?? "") ?? otherwise;
  return {
    rebootPolicy: file.rebootPolicy ?? "never",
    switchTimeoutSeconds: seconds(file.switchTimeout, DEFAULT_SWITCH_TIMEOUT_SECONDS),
    confirmTimeoutSeconds: seconds(file.confirmTimeout, DEFAULT_CONFIRM_TIMEOUT_SECONDS),
    bootTimeoutSeconds: seconds(file.bootTimeout, DEFAULT_BOOT_TIMEOUT_SECONDS),
  };
}

function checksOf(file: HypervisorFile): Checks {
  const all: Checks = {
    kvm: "require",
    libvirtd: "require",
    bridge: "require",
    units: "require",
    nix: "require",
    clock: "require",
    memory: "require",
    disk: "require",
  };
  for (const check of CHECK_NAMES) all[check] = file.checks?.[check] ?? "require";
  return all;
}

interface HopFile {
  address: string;
  hostKey: string;
  port?: number | undefined;
  user?: string | undefined;
  jumpHost?: string | undefined;
}

function endpointOf(site: SiteFile, hop: HopFile): SshEndpoint {
  const jump = hop.jumpHost === undefined ? undefined : site.ssh?.jumpHosts?.[hop.jumpHost];
  return {
    address: hop.address,
    port: hop.port ?? site.ssh?.port ?? DEFAULT_PORT,
    user: hop.user ?? site.ssh?.user ?? DEFAULT_USER,
    hostKey: hop.hostKey.split(" ").slice(0, 2).join(" "),
    ...(jump === undefined ? {} : { jump: endpointOf(site, jump) }),
  };
}

export function profileOf(site: SiteFile, vm: VmFile) {
  return vm.profile === undefined ? undefined : site.profiles?.[vm.profile];
}

/** Else what the VM lacks may stand in the profile that is faulty, or is meant. */
export function hasKnownProfile(site: SiteFile, vm: VmFile): boolean {
  return vm.profile === undefined || profileOf(site, vm) !== undefined;
}

/** The VM's network: its own, its profile's, the site's, its hypervisor's; field by field. */
export function networkOf(site: SiteFile, vm: VmFile) {
  const levels = [vm.network, profileOf(site, vm)?.network, site.network];
  const first = <K extends "cidr" | "gateway" | "nameservers">(key: K) =>
    levels.find((level) => level?.[key] !== undefined)?.[key];
  return {
    cidr: first("cidr") ?? site.hypervisors[vm.hypervisor]?.hostIp,
    gateway: first("gateway"),
    nameservers: first("nameservers") ?? [],
  };
}

/** Volumes of the profile, overridden field by field; null takes one away. */
export function volumesOf(site: SiteFile, vm: VmFile): [string, VolumeFile][] {
  const base = profileOf(site, vm)?.volumes ?? {};
  const own = vm.volumes ?? {};
  return entries({ ...base, ...own }).flatMap(([name, volume]): [string, VolumeFile][] =>
    volume === null ? [] : [[name, { ...(base[name] ?? {}), ...volume }]],
  );
}

export function imageOf(vmName: string, volumeName: string, volume: VolumeFile): string {
  return volume.image ?? `/var/lib/microvms/${vmName}/${volumeName}.img`;
}

export function volumeOf(vmName: string, name: string, volume: VolumeFile): VolumeModel {
  const long = `${vmName}-${name}`;
  const label = long.length <= MAX_LABEL ? long : name.slice(0, MAX_LABEL);
  return {
    name,
    image: imageOf(vmName, name, volume),
    sizeMiB: mib(volume.size) ?? 0,
    fsType: volume.fsType ?? "ext4",
    label: volume.label ?? label,
    ...(volume.mountPoint === undefined ? {} : { mountPoint: volume.mountPoint }),
    onDelete: volume.onDelete ?? "retain",
  };
}

export function sharesOf(site: SiteFile, vm: VmFile): ShareModel[] {
  return entries({ ...profileOf(site, vm)?.shares, ...vm.shares }).flatMap(([tag, share]) =>
    share === null
      ? []
      : [
          {
            tag,
            source: share.source,
            mountPoint: share.mountPoint,
            readOnly: share.readOnly ?? false,
          },
        ],
  );
}

function vmOf(site: SiteFile, name: string, vm: VmFile): VmModel {
  const profile = profileOf(site, vm);
  const network = networkOf(site, vm);
  const memoryTargetMiB = mib(vm.memoryTarget ?? profile?.memoryTarget);
  return {
    name,
    hostName: vm.hostName ?? name,
    hypervisor: vm.hypervisor,
    ...(vm.profile === undefined ? {} : { profile: vm.profile }),
    ...(vm.role === undefined ? {} : { role: vm.role }),
    vcpu: vm.vcpu ?? profile?.vcpu ?? 0,
    memoryMiB: mib(vm.memory ?? profile?.memory) ?? 0,
    ...(memoryTargetMiB === undefined ? {} : { memoryTargetMiB }),
    ip: vm.ip,
    prefixLength: parseCidr(network.cidr ?? "")?.prefixLength ?? 0,
    ...(network.gateway === undefined ? {} : { gateway: network.gateway }),
    nameservers: network.nameservers,
    mac: vm.mac.toLowerCase(),
    ...(vm.vsockCid === undefined ? {} : { vsockCid: vm.vsockCid }),
    volumes: volumesOf(site, vm).map(([volumeName, volume]) => volumeOf(name, volumeName, volume)),
    shares: sharesOf(site, vm),
    updatePolicy: vm.updatePolicy ?? profile?.updatePolicy ?? "live",
    startTimeoutSeconds:
      parseDuration(vm.startTimeout ?? profile?.startTimeout ?? "") ??
      DEFAULT_START_TIMEOUT_SECONDS,
    running: vm.running ?? true,
    restart: vm.restart ?? "",
    import: vm.import ?? false,
  };
}
