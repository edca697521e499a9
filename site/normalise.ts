/** The site file with every default filled in and every reference resolved, as a draft. Pure. */
import { forEachCheck } from "../contract/names";
import type { Declared, FileKind, HopDraft, HypervisorDraft, SiteDraft } from "./draft";
import { entries } from "./entries";
import type { Path } from "./issues";
import type { Checks, SystemModel } from "./model";
import { normaliseCluster } from "./normaliseCluster";
import { normaliseGitOps } from "./normaliseGitOps";
import { normaliseVm } from "./normaliseVm";
import type { HypervisorFile, SiteFile } from "./schema";
import type { FaultyPaths, ReadFile } from "./siteFile";
import { firstOf, levelOf, mib, seconds } from "./value";
import type { Value } from "./value";

const DEFAULT_PORT = 22;
const DEFAULT_USER = "root";
const DEFAULT_BRIDGE = "br0";
const DEFAULT_PARALLELISM = 4;
const DEFAULT_BUILD_TIMEOUT_SECONDS = 4 * 3600;
const DEFAULT_WAIT_TIMEOUT_SECONDS = 6 * 3600;
const DEFAULT_SWITCH_TIMEOUT_SECONDS = 300;
const DEFAULT_CONFIRM_TIMEOUT_SECONDS = 90;
const DEFAULT_BOOT_TIMEOUT_SECONDS = 600;

/** How relative paths of the site file become absolute; effects stay with the loader. */
export interface Paths {
  flake: (reference: string) => string;
  file: (path: string) => string;
  /** What is at an absolute path. */
  kindOf: (path: string) => FileKind;
}

export function normalise({ file, isFaulty, hasFaultBelow }: ReadFile, paths: Paths): SiteDraft {
  const stated = <T>(path: Path, value: T | undefined): Value<T> =>
    firstOf(path, [levelOf(isFaulty, path, value)]);
  const declared = (path: Path, map: Readonly<Record<string, unknown>> | null = {}): Declared => {
    const names = entries(map).map(([name]) => name);
    return { names, has: (name) => names.includes(name) || isFaulty([...path, name]) };
  };
  const vms = entries(file.vms).map(([name, vm]) => normaliseVm(file, isFaulty, name, vm));
  return {
    flake: stated(["flake"], file.flake === undefined ? undefined : paths.flake(file.flake)),
    credentials: {
      agent: file.ssh?.agent ?? true,
      identityFiles: (file.ssh?.identityFiles ?? []).map((path) => paths.file(path)),
    },
    operatorKeys: file.ssh?.operatorKeys ?? [],
    hypervisorMap: stated(["hypervisors"], file.hypervisors),
    jumpHosts: entries(file.ssh?.jumpHosts).map(([name, hop]) => {
      const path = ["ssh", "jumpHosts", name];
      const address = stated([...path, "address"], hop.address);
      return { name, ...hopOf(file, isFaulty, path, address, hop) };
    }),
    hypervisors: entries(file.hypervisors).map(([name, one]) =>
      hypervisorOf(file, isFaulty, name, one),
    ),
    vms,
    clusterMap: stated(["cluster"], file.cluster),
    cluster: file.cluster && normaliseCluster(file.cluster, isFaulty, vms),
    gitOps: file.gitops && normaliseGitOps(file.gitops, isFaulty, paths),
    knowsMembers: !hasFaultBelow(["vms"]),
    declared: {
      hypervisors: declared(["hypervisors"], file.hypervisors),
      profiles: declared(["profiles"], file.profiles),
      jumpHosts: declared(["ssh", "jumpHosts"], file.ssh?.jumpHosts),
    },
  };
}

function hypervisorOf(
  site: SiteFile,
  isFaulty: FaultyPaths,
  name: string,
  file: HypervisorFile,
): HypervisorDraft {
  const path = ["hypervisors", name];
  const stated = <T>(key: string, value: T | undefined): Value<T> =>
    firstOf([...path, key], [levelOf(isFaulty, [...path, key], value)]);
  const address = stated("address", file.address);
  return {
    path,
    name,
    renamedFrom: stated("renamedFrom", file.renamedFrom),
    endpoint: hopOf(site, isFaulty, [...path, "ssh"], address, file.ssh ?? {}),
    nic: stated("nic", file.nic),
    bridge: file.bridge ?? DEFAULT_BRIDGE,
    hostIp: stated("hostIp", file.hostIp),
    memoryMiB: mib(stated("memory", file.memory)),
    diskMiB: mib(stated("disk", file.disk)),
    checks: checksOf(file),
    maintenance: file.maintenance ?? false,
    forget: file.forget ?? false,
    shared: file.shared ?? false,
    parallelism: file.parallelism ?? DEFAULT_PARALLELISM,
    build: file.build ?? "operator",
    buildTimeoutSeconds: seconds(file.buildTimeout, DEFAULT_BUILD_TIMEOUT_SECONDS),
    waitTimeoutSeconds: seconds(file.waitTimeout, DEFAULT_WAIT_TIMEOUT_SECONDS),
    ...(file.system === undefined ? {} : { system: systemOf(file.system) }),
  };
}

function systemOf(file: NonNullable<HypervisorFile["system"]>): SystemModel {
  return {
    rebootPolicy: file.rebootPolicy ?? "never",
    switchTimeoutSeconds: seconds(file.switchTimeout, DEFAULT_SWITCH_TIMEOUT_SECONDS),
    confirmTimeoutSeconds: seconds(file.confirmTimeout, DEFAULT_CONFIRM_TIMEOUT_SECONDS),
    bootTimeoutSeconds: seconds(file.bootTimeout, DEFAULT_BOOT_TIMEOUT_SECONDS),
  };
}

function checksOf(file: HypervisorFile): Checks {
  return forEachCheck((check) => file.checks?.[check] ?? "require");
}

type HopFile = NonNullable<HypervisorFile["ssh"]>;

/** `path` is that of the map with the host key. */
function hopOf(
  site: SiteFile,
  isFaulty: FaultyPaths,
  path: Path,
  address: Value<string>,
  hop: HopFile,
): HopDraft {
  const level = <T>(key: string, value: T | undefined, at = path) =>
    levelOf(isFaulty, [...at, key], value);
  const hostKey = hop.hostKey?.split(" ").slice(0, 2).join(" ");
  return {
    address,
    port: firstOf(
      [...path, "port"],
      [
        level("port", hop.port),
        level("port", site.ssh?.port, ["ssh"]),
        { value: DEFAULT_PORT, isFaulty: false },
      ],
    ),
    user: hop.user ?? site.ssh?.user ?? DEFAULT_USER,
    hostKey: firstOf([...path, "hostKey"], [level("hostKey", hostKey)]),
    jumpHost: firstOf([...path, "jumpHost"], [level("jumpHost", hop.jumpHost)]),
  };
}
