/** The VMs of a hypervisor must fit what the site states for it. Pure. */
import type { SiteDraft } from "./draft";
import type { Issue } from "./issues";
import { formatSize } from "./units";
import type { Value } from "./value";

interface Need {
  vm: string;
  mib: number;
}

export function checkCapacity(site: SiteDraft): Issue[] {
  return site.hypervisors.flatMap(({ name, memoryMiB, diskMiB }) => {
    const vms = site.vms.filter((vm) => vm.hypervisor.value === name);
    const memory = vms.map((vm) => ({ vm: vm.name, mib: vm.memoryMiB.value ?? 0 }));
    const disk = vms.map((vm) => ({
      vm: vm.name,
      mib: sum(vm.volumes.map(({ sizeMiB }) => sizeMiB.value ?? 0)),
    }));
    return [...exceeded(memoryMiB, "memory", memory), ...exceeded(diskMiB, "disk", disk)];
  });
}

function exceeded({ path, value: limit }: Value<number>, key: string, needs: Need[]): Issue[] {
  const total = sum(needs.map(({ mib }) => mib));
  if (limit === undefined || total <= limit) return [];
  const list = needs.map(({ vm, mib }) => `${vm} ${formatSize(mib)}`).join(", ");
  const what = `its VMs need ${formatSize(total)}, but ${key} is ${formatSize(limit)} (${list})`;
  const remedy = `move a VM, make it smaller, or raise ${key}`;
  return [{ path, code: "capacity", what, remedy }];
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, one) => total + one, 0);
}
