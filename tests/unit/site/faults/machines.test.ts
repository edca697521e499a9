/** Faults of hypervisors and VMs: references, sizes and limits. */
import { testFaults } from "./cases";

testFaults([
  [
    "unknown hypervisor",
    (s) => s.replace("hypervisor: hv1", "hypervisor: hv11"),
    "22:17 vms.kw1.hypervisor: there is no hypervisor hv11; did you mean hv1? known: hv1",
  ],
  [
    "unknown profile",
    (s) => s.replace("profile: worker", "profile: workers"),
    "23:14 vms.kw1.profile: there is no profile workers; did you mean worker? known: worker",
  ],
  [
    "malformed duration",
    (s) => s.replace("vcpu: 1", "vcpu: 1\n    startTimeout: 90"),
    "8:19 profiles.worker.startTimeout: must be text; correct the value; quote it if it is text",
  ],
  [
    "a duration of 0",
    (s) => s.replace("vcpu: 1", "vcpu: 1\n    startTimeout: 0s"),
    "8:19 profiles.worker.startTimeout: is not above 0; write a number and s, m or h: 90s",
  ],
  [
    "more memory than the hypervisor has",
    (s) => s.replace("memory: 4GiB", "memory: 1GiB"),
    "18:13 hypervisors.hv1.memory: its VMs need 2GiB, but memory is 1GiB (kw1 1GiB, kw2 1GiB); " +
      "move a VM, make it smaller, or raise memory",
  ],
  [
    "more disk than the hypervisor has",
    (s) => s.replace("disk: 40GiB", "disk: 15GiB"),
    "19:11 hypervisors.hv1.disk: its VMs need 20GiB, but disk is 15GiB (kw1 10GiB, kw2 10GiB)",
  ],
  [
    "memoryTarget above memory",
    (s) => s.replace("512MiB", "2GiB"),
    "vms.kw1.memoryTarget: memoryTarget 2GiB is more than memory 1GiB",
  ],
  [
    "no vCPU in VM and profile",
    (s) => s.replace("    vcpu: 1\n", ""),
    "vms.kw1.vcpu: neither the VM nor its profile states vcpu; state vcpu",
  ],
  [
    "no hypervisors, reported once and not for each VM",
    (s) => s.replace(/hypervisors:[^]*?\nvms:/, "vms:"),
    "1:1 hypervisors: is missing; state it (a map)",
  ],
  [
    "2GiB of memory",
    (s) => s.replace("vsockCid: 32", "memory: 2GiB"),
    "32:13 vms.kw2.memory: QEMU hangs with exactly 2GiB of memory; state another size",
  ],
  [
    "2048MiB of memory",
    (s) => s.replace("vsockCid: 32", "memory: 2048MiB"),
    "32:13 vms.kw2.memory: QEMU hangs with exactly 2GiB of memory",
  ],
  [
    "parallelism above the maximum",
    (s) => s.replace("nic: eno1", "nic: eno1\n    parallelism: 33"),
    "17:18 hypervisors.hv1.parallelism: is out of range; write a number of at most 32",
  ],
]);
