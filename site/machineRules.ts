/** Rules about one VM: its hardware, its network and its disks. Pure. */
import type { VmDraft, VolumeDraft } from "./draft";
import type { Issue } from "./issues";
import { isHostOf, parseCidr, parseIp } from "./network";
import { formatSize } from "./units";
import type { Value } from "./value";

/** The site does not know the VMM of a VM: the flake chooses it, and QEMU is the default. */
const HANGS_QEMU_MIB = 2048;

export function checkMachine(vm: VmDraft): Issue[] {
  return [
    ...statedSomewhere(vm.vcpu, "vcpu"),
    ...statedSomewhere(vm.memoryMiB, "memory"),
    ...checkMemory(vm),
    ...checkNetwork(vm),
    ...vm.volumes.flatMap((volume) => checkVolume(vm, volume)),
  ];
}

function statedSomewhere({ path, value, isFaulty }: Value<number>, key: string): Issue[] {
  if (value !== undefined || isFaulty) return [];
  const what = `neither the VM nor its profile states ${key}`;
  return [{ path, code: "missing", what, remedy: `state ${key}` }];
}

/** Source of the hang: https://github.com/microvm-nix/microvm.nix/issues/171. */
function checkMemory({ memoryMiB, memoryTargetMiB }: VmDraft): Issue[] {
  const issues: Issue[] = [];
  const memory = memoryMiB.value;
  const target = memoryTargetMiB.value;
  if (memory === HANGS_QEMU_MIB) {
    issues.push({
      path: memoryMiB.path,
      code: "unsupported",
      what: "QEMU hangs with exactly 2GiB of memory",
      remedy: "state another size: 2047MiB, 3GiB",
    });
  }
  if (memory !== undefined && target !== undefined && target > memory) {
    issues.push({
      path: memoryTargetMiB.path,
      code: "inconsistent",
      what: `memoryTarget ${formatSize(target)} is more than memory ${formatSize(memory)}`,
      remedy: "lower memoryTarget or raise memory",
    });
  }
  return issues;
}

function checkNetwork({ ip, cidr, gateway }: VmDraft): Issue[] {
  const network = parseCidr(cidr.value ?? "");
  const address = parseIp(ip.value ?? "");
  if (network === undefined || address === undefined) return [];
  const issues: Issue[] = [];
  if (!isHostOf(network, address)) {
    issues.push({
      path: ip.path,
      code: "network",
      what: `${String(ip.value)} is not a host address of the network ${String(cidr.value)}`,
      remedy: "use an address of that network, neither its first nor its last",
    });
  }
  const gatewayAddress = parseIp(gateway.value ?? "");
  if (gatewayAddress !== undefined && !isHostOf(network, gatewayAddress)) {
    issues.push({
      path: ip.path,
      code: "network",
      what: `the gateway ${String(gateway.value)} is not in the VM's network ${String(cidr.value)}`,
      remedy: "correct gateway or cidr",
    });
  }
  return issues;
}

function checkVolume(vm: VmDraft, { name, sizeMiB, fsType, mountPoint }: VolumeDraft): Issue[] {
  const issues: Issue[] = [];
  if (sizeMiB.value === undefined && !sizeMiB.isFaulty) {
    issues.push({
      path: sizeMiB.path,
      code: "missing",
      what: `the volume ${name} of ${vm.name} has no size`,
      remedy: "state size: 20GiB",
    });
  }
  if (fsType === "none" && mountPoint.value !== undefined) {
    issues.push({
      path: mountPoint.path,
      code: "inconsistent",
      what: `the volume ${name} has a mountPoint but no file system`,
      remedy: "remove mountPoint or state fsType: ext4",
    });
  }
  return issues;
}
