/**
 * A VM of the site file: its own keys, then those of its profile, the site and its hypervisor.
 * Pure.
 */
import { defaultImage } from "../contract/names";
import { parseTaint } from "./clusterScalars";
import type { ShareDraft, VmDraft, VolumeDraft } from "./draft";
import { entries, entryOf } from "./entries";
import type { Taint } from "./model";
import type { ProfileFile, ShareFile, SiteFile, VmFile, VolumeFile } from "./schema";
import type { FaultyPaths } from "./siteFile";
import { UNKNOWN_LEVEL, firstOf, levelOf, mapValue, mib, seconds, withDefault } from "./value";
import type { Level, Value } from "./value";

const MAX_LABEL = 16;
const DEFAULT_START_TIMEOUT_SECONDS = 600;
const DEFAULT_SWITCH_TIMEOUT_SECONDS = 600;
const DEFAULT_VOLUME_TIMEOUT_SECONDS = 24 * 3600;

/** Reads values of one VM. */
interface Reader {
  /** What the VM itself states. */
  own: <T>(key: string, value: T | undefined) => Value<T>;
  /** What the VM states, or else its profile, or else the levels given. */
  inherited: <T>(
    keys: readonly string[],
    own: T | undefined,
    ofProfile: T | undefined,
    ...more: Level<T>[]
  ) => Value<T>;
}

function readerOf(
  site: SiteFile,
  isFaulty: FaultyPaths,
  name: string,
  vm: VmFile,
): Reader & { profile: Value<string>; profileFile: ProfileFile | undefined } {
  const path = ["vms", name];
  const own = <T>(key: string, value: T | undefined): Value<T> =>
    firstOf([...path, key], [levelOf(isFaulty, [...path, key], value)]);
  const profile = own("profile", vm.profile);
  const profileFile = entryOf(site.profiles, profile.value);
  const isUnknown = profile.isFaulty || (profile.value !== undefined && profileFile === undefined);
  return {
    profile,
    profileFile,
    own,
    inherited: (keys, value, ofProfile, ...more) =>
      firstOf(
        [...path, ...keys],
        [
          levelOf(isFaulty, [...path, ...keys], value),
          isUnknown
            ? UNKNOWN_LEVEL
            : levelOf(isFaulty, ["profiles", profile.value ?? "", ...keys], ofProfile),
          ...more,
        ],
      ),
  };
}

export function normaliseVm(
  site: SiteFile,
  isFaulty: FaultyPaths,
  name: string,
  vm: VmFile,
): VmDraft {
  const { own, inherited, profile, profileFile } = readerOf(site, isFaulty, name, vm);
  const renamedFrom = own("renamedFrom", vm.renamedFrom);
  const hypervisor = own("hypervisor", vm.hypervisor);
  const host = entryOf(site.hypervisors, hypervisor.value);
  const networks = [vm.network, profileFile?.network, site.network];
  const siteLevel = <T>(key: string, value: T | undefined) =>
    levelOf(isFaulty, ["network", key], value);
  const hostLevel =
    host === undefined
      ? UNKNOWN_LEVEL
      : levelOf(isFaulty, ["hypervisors", hypervisor.value ?? "", "hostIp"], host.hostIp);
  const timeout = (key: "startTimeout" | "switchTimeout" | "volumeTimeout", otherwise: number) =>
    seconds(vm[key] ?? profileFile?.[key], otherwise);
  return {
    path: ["vms", name],
    name,
    renamedFrom,
    hostName: withDefault(own("hostName", vm.hostName), name),
    statesHostName: vm.hostName !== undefined,
    hypervisor,
    profile,
    role: own("role", vm.role),
    labels: withDefault(mapValue(own("labels", vm.labels), byName), {}),
    taints: withDefault(mapValue(own("taints", vm.taints), taintsOf), []),
    vcpu: inherited(["vcpu"], vm.vcpu, profileFile?.vcpu),
    memoryMiB: mib(inherited(["memory"], vm.memory, profileFile?.memory)),
    memoryTargetMiB: mib(inherited(["memoryTarget"], vm.memoryTarget, profileFile?.memoryTarget)),
    ip: own("ip", vm.ip),
    cidr: inherited(
      ["network", "cidr"],
      vm.network?.cidr,
      profileFile?.network?.cidr,
      siteLevel("cidr", site.network?.cidr),
      hostLevel,
    ),
    gateway: inherited(
      ["network", "gateway"],
      vm.network?.gateway,
      profileFile?.network?.gateway,
      siteLevel("gateway", site.network?.gateway),
    ),
    nameservers: networks.find((one) => one?.nameservers !== undefined)?.nameservers ?? [],
    mac: mapValue(own("mac", vm.mac), (mac) => mac.toLowerCase()),
    vsockCid: own("vsockCid", vm.vsockCid),
    volumes: merged(profileFile?.volumes, vm.volumes).map(([volume, ownFile, base]) =>
      volumeOf(inherited, { name, renamedFrom: renamedFrom.value }, volume, ownFile, base),
    ),
    shares: merged(profileFile?.shares, vm.shares).map(([tag, ownFile, base]) =>
      shareOf(inherited, name, tag, ownFile ?? {}, ownFile === undefined ? (base ?? {}) : {}),
    ),
    startTimeoutSeconds: timeout("startTimeout", DEFAULT_START_TIMEOUT_SECONDS),
    switchTimeoutSeconds: timeout("switchTimeout", DEFAULT_SWITCH_TIMEOUT_SECONDS),
    volumeTimeoutSeconds: timeout("volumeTimeout", DEFAULT_VOLUME_TIMEOUT_SECONDS),
    updatePolicy: vm.updatePolicy ?? profileFile?.updatePolicy ?? "live",
    running: vm.running ?? true,
    restart: vm.restart ?? "",
    import: vm.import ?? false,
    protect: vm.protect ?? false,
  };
}

const byName = (labels: Record<string, string>): Record<string, string> =>
  Object.fromEntries(entries(labels));

/** In an order of their own, so that the order in the file changes nothing. */
function taintsOf(taints: readonly string[]): Taint[] {
  return [...taints].sort().flatMap((text) => parseTaint(text) ?? []);
}

/** Names of the profile's entries and the VM's own; null removes one. */
function merged<T>(
  base: Readonly<Record<string, T | null>> | undefined,
  own: Readonly<Record<string, T | null>> | undefined,
): [string, T | undefined, T | undefined][] {
  return entries({ ...base, ...own }).flatMap(([name, winner]) =>
    winner === null
      ? []
      : [[name, entryOf(own, name) ?? undefined, entryOf(base, name) ?? undefined]],
  );
}

/** The VM's volume overrides its profile's key by key. */
function volumeOf(
  inherited: Reader["inherited"],
  vm: { name: string; renamedFrom: string | undefined },
  name: string,
  own: VolumeFile = {},
  base: VolumeFile = {},
): VolumeDraft {
  const value = <K extends "size" | "image" | "label" | "mountPoint">(key: K) =>
    inherited<string>(["volumes", name, key], own[key], base[key]);
  const former = vm.renamedFrom === undefined ? [] : [`${vm.renamedFrom}-${name}`];
  return {
    path: ["vms", vm.name, "volumes", name],
    name,
    resourceNames: [`${vm.name}-${name}`, ...former],
    image: withDefault(value("image"), defaultImage(vm.name, name)),
    sizeMiB: mib(value("size")),
    fsType: own.fsType ?? base.fsType ?? "ext4",
    // A label cannot change, so a VM that was renamed keeps its labels.
    label: withDefault(value("label"), defaultLabel(vm.renamedFrom ?? vm.name, name)),
    mountPoint: value("mountPoint"),
    onDelete: own.onDelete ?? base.onDelete ?? "retain",
    protect: own.protect ?? base.protect ?? false,
  };
}

function defaultLabel(vm: string, volume: string): string {
  const long = `${vm}-${volume}`;
  return long.length <= MAX_LABEL ? long : volume.slice(0, MAX_LABEL);
}

/** The VM's share replaces its profile's as a whole. */
function shareOf(
  inherited: Reader["inherited"],
  vm: string,
  tag: string,
  own: ShareFile,
  base: ShareFile,
): ShareDraft {
  return {
    path: ["vms", vm, "shares", tag],
    tag,
    source: inherited(["shares", tag, "source"], own.source, base.source),
    mountPoint: inherited(["shares", tag, "mountPoint"], own.mountPoint, base.mountPoint),
    readOnly: own.readOnly ?? base.readOnly ?? false,
  };
}
