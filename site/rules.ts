/** Rules that look at several fields together. Pure: a site file in, faults out. */
import { suggestion } from "./faults";
import type { Fault } from "./faults";
import { isHostOf, parseCidr, parseIp } from "./network";
import { entries, hasKnownProfile, mib, networkOf, profileOf, volumesOf } from "./normalise";
import type { SiteFile, VmFile } from "./schema";
import { checkUniqueness } from "./uniqueness";
import { formatSize } from "./units";
import { checkVolumeNames, checkVolumes } from "./volumeRules";

type Path = readonly (string | number)[];

/** Names that the file declares, also those whose entries are faulty and set aside. */
export interface Declared {
  hypervisors: readonly string[];
  profiles: readonly string[];
  jumpHosts: readonly string[];
}

/** Every fault that the schema can't see. */
export function checkRules(site: SiteFile, declared: Declared): Fault[] {
  return [
    ...checkJumpHosts(site, declared.jumpHosts),
    ...checkHypervisors(site),
    ...vms(site).flatMap(([name, vm]) => checkVm(site, declared, name, vm)),
    ...checkUniqueness(site),
    ...checkVolumeNames(site),
    ...checkCapacity(site),
  ];
}

const vms = (site: SiteFile): [string, VmFile][] => entries(site.vms);

function unknown(path: Path, kind: string, name: string, known: readonly string[]): Fault {
  return { path, what: `there is no ${kind} ${name}`, remedy: suggestion(name, known) };
}

function checkJumpHosts(site: SiteFile, known: readonly string[]): Fault[] {
  const jumpHosts = site.ssh?.jumpHosts ?? {};
  const faults: Fault[] = [];
  const check = (path: Path, name: string | undefined): void => {
    if (name !== undefined && !known.includes(name))
      faults.push(unknown(path, "jump host", name, known));
  };
  for (const [name, jump] of entries(jumpHosts)) {
    const path = ["ssh", "jumpHosts", name, "jumpHost"];
    check(path, jump.jumpHost);
    if (isCycle(jumpHosts, name)) {
      faults.push({
        path,
        what: "the jump hosts go in a circle",
        remedy: "take one jumpHost away",
      });
    }
  }
  for (const [name, hypervisor] of entries(site.hypervisors)) {
    check(["hypervisors", name, "ssh", "jumpHost"], hypervisor.ssh.jumpHost);
  }
  return faults;
}

function isCycle(
  jumpHosts: Readonly<Record<string, { jumpHost?: string | undefined }>>,
  start: string,
): boolean {
  const seen = new Set<string>();
  for (let name: string | undefined = start; name !== undefined; name = jumpHosts[name]?.jumpHost) {
    if (seen.has(name)) return name === start;
    seen.add(name);
  }
  return false;
}

function checkHypervisors(site: SiteFile): Fault[] {
  return entries(site.hypervisors).flatMap(([name, { hostIp }]) => {
    const network = parseCidr(hostIp);
    const ip = parseIp(hostIp.split("/")[0] ?? "");
    if (network === undefined || ip === undefined || isHostOf(network, ip)) return [];
    const remedy = "write the host's own address: 192.0.2.11/24";
    return [
      {
        path: ["hypervisors", name, "hostIp"],
        what: "is the network or broadcast address",
        remedy,
      },
    ];
  });
}

function checkVm(site: SiteFile, declared: Declared, name: string, vm: VmFile): Fault[] {
  const path = ["vms", name];
  const faults: Fault[] = [];
  if (!declared.hypervisors.includes(vm.hypervisor)) {
    faults.push(
      unknown([...path, "hypervisor"], "hypervisor", vm.hypervisor, declared.hypervisors),
    );
  }
  if (vm.profile !== undefined && !declared.profiles.includes(vm.profile)) {
    faults.push(unknown([...path, "profile"], "profile", vm.profile, declared.profiles));
  }
  return [...faults, ...checkNetwork(site, path, vm), ...checkMachine(site, path, name, vm)];
}

function checkNetwork(site: SiteFile, path: Path, vm: VmFile): Fault[] {
  const { cidr, gateway } = networkOf(site, vm);
  const network = parseCidr(cidr ?? "");
  const ip = parseIp(vm.ip);
  const faults: Fault[] = [];
  if (network === undefined || ip === undefined) return faults;
  if (!isHostOf(network, ip)) {
    const remedy = `take an address of ${String(cidr)}, neither its first nor its last`;
    faults.push({
      path: [...path, "ip"],
      what: `${vm.ip} is not a host's address in ${String(cidr)}`,
      remedy,
    });
  }
  const gatewayIp = gateway === undefined ? undefined : parseIp(gateway);
  if (gatewayIp !== undefined && !isHostOf(network, gatewayIp)) {
    const what = `the gateway ${String(gateway)} is not in the VM's network ${String(cidr)}`;
    faults.push({ path: [...path, "ip"], what, remedy: "correct gateway or cidr" });
  }
  return faults;
}

function checkMachine(site: SiteFile, path: Path, name: string, vm: VmFile): Fault[] {
  const profile = profileOf(site, vm);
  const faults: Fault[] = [];
  for (const key of ["vcpu", "memory"] as const) {
    if (hasKnownProfile(site, vm) && (vm[key] ?? profile?.[key]) === undefined) {
      faults.push({
        path: [...path, key],
        what: `neither the VM nor its profile states ${key}`,
        remedy: `state ${key}`,
      });
    }
  }
  const memory = mib(vm.memory ?? profile?.memory);
  const target = mib(vm.memoryTarget ?? profile?.memoryTarget);
  if (memory !== undefined && target !== undefined && target > memory) {
    const what = `memoryTarget ${formatSize(target)} is more than memory ${formatSize(memory)}`;
    faults.push({
      path: [...path, "memoryTarget"],
      what,
      remedy: "lower memoryTarget or raise memory",
    });
  }
  return [...faults, ...checkVolumes(site, path, name, vm)];
}

function checkCapacity(site: SiteFile): Fault[] {
  return entries(site.hypervisors).flatMap(([name, hypervisor]) => {
    const here = vms(site).filter(([, vm]) => vm.hypervisor === name);
    const memory = here.map(([vmName, vm]) => ({
      vmName,
      needs: mib(vm.memory ?? profileOf(site, vm)?.memory) ?? 0,
    }));
    const disk = here.map(([vmName, vm]) => ({
      vmName,
      needs: volumesOf(site, vm).reduce((sum, [, volume]) => sum + (mib(volume.size) ?? 0), 0),
    }));
    return [
      ...overCapacity(["hypervisors", name, "memory"], mib(hypervisor.memory), memory),
      ...overCapacity(["hypervisors", name, "disk"], mib(hypervisor.disk), disk),
    ];
  });
}

function overCapacity(
  path: Path,
  capacity: number | undefined,
  needs: { vmName: string; needs: number }[],
): Fault[] {
  const total = needs.reduce((sum, one) => sum + one.needs, 0);
  if (capacity === undefined || total <= capacity) return [];
  const list = needs.map((one) => `${one.vmName} ${formatSize(one.needs)}`).join(", ");
  const what = `its VMs want ${formatSize(total)}, stated are ${formatSize(capacity)} (${list})`;
  return [{ path, what, remedy: "move a VM, make it smaller, or state more" }];
}
