/** The rules that look at several values together. Pure: a draft in, issues out. */
import { checkCapacity } from "./capacityRules";
import { checkCluster } from "./clusterRules";
import type { Declared, HopDraft, HypervisorDraft, SiteDraft } from "./draft";
import { checkGitOps } from "./gitOpsRules";
import { checkMachine } from "./machineRules";
import { checkMounts } from "./mountRules";
import { isHostOf, parseCidr, parseIp } from "./network";
import { checkRenames } from "./renameRules";
import { suggestion } from "./issues";
import type { Issue } from "./issues";
import { checkUniqueness } from "./uniqueness";
import type { Value } from "./value";

/** Every issue that the schema cannot see. */
export function checkRules(site: SiteDraft): Issue[] {
  return [
    ...required(site.flake, "text"),
    ...required(site.hypervisorMap, "a map"),
    ...checkJumpHosts(site),
    ...site.hypervisors.flatMap((hypervisor) => checkHypervisor(site, hypervisor)),
    ...site.vms.flatMap((vm) => [
      ...required(vm.hypervisor, "text"),
      ...required(vm.ip, "text"),
      ...required(vm.mac, "text"),
      ...(site.hypervisorMap.value === undefined
        ? []
        : reference(vm.hypervisor, "hypervisor", site.declared.hypervisors)),
      ...reference(vm.profile, "profile", site.declared.profiles),
      ...vm.shares.flatMap(({ source, mountPoint }) => [
        ...required(source, "text"),
        ...required(mountPoint, "text"),
      ]),
      ...checkMachine(vm),
      ...checkMounts(vm),
    ]),
    ...checkUniqueness(site),
    ...checkRenames(site),
    ...checkCapacity(site),
    ...checkCluster(site),
    ...checkGitOps(site),
  ];
}

function required({ path, value, isFaulty }: Value<unknown>, type: string): Issue[] {
  if (value !== undefined || isFaulty) return [];
  return [{ path, code: "missing", what: "is missing", remedy: `state it (${type})` }];
}

function reference({ path, value }: Value<string>, kind: string, declared: Declared): Issue[] {
  if (value === undefined || declared.has(value)) return [];
  const remedy = suggestion(value, declared.names);
  return [{ path, code: "unknown-reference", what: `there is no ${kind} ${value}`, remedy }];
}

function checkHop({ declared }: SiteDraft, { address, hostKey, jumpHost }: HopDraft): Issue[] {
  return [
    ...required(address, "text"),
    ...required(hostKey, "text"),
    ...reference(jumpHost, "jump host", declared.jumpHosts),
  ];
}

function checkJumpHosts(site: SiteDraft): Issue[] {
  return site.jumpHosts.flatMap((hop) => {
    const loop: Issue = {
      path: hop.jumpHost.path,
      code: "loop",
      what: "the jump hosts form a loop",
      remedy: "remove one jumpHost",
    };
    return [...checkHop(site, hop), ...(isLoop(site, hop.name) ? [loop] : [])];
  });
}

function isLoop({ jumpHosts }: SiteDraft, start: string): boolean {
  const seen = new Set<string>();
  const next = (name: string): string | undefined =>
    jumpHosts.find((hop) => hop.name === name)?.jumpHost.value;
  for (let name: string | undefined = start; name !== undefined; name = next(name)) {
    if (seen.has(name)) return name === start;
    seen.add(name);
  }
  return false;
}

function checkHypervisor(site: SiteDraft, { endpoint, nic, hostIp }: HypervisorDraft): Issue[] {
  const issues = [
    ...checkHop(site, endpoint),
    ...required(nic, "text"),
    ...required(hostIp, "text"),
  ];
  const network = parseCidr(hostIp.value ?? "");
  const ip = parseIp(hostIp.value?.split("/")[0] ?? "");
  if (network === undefined || ip === undefined || isHostOf(network, ip)) return issues;
  const what = "is the network or broadcast address";
  const remedy = "write the host's own address: 192.0.2.11/24";
  return [...issues, { path: hostIp.path, code: "network", what, remedy }];
}
