/** Faults of renames. */
import { testFaults } from "./cases";

testFaults([
  [
    "a VM renamed from a VM that is still in the site",
    (s) => s.replace("vsockCid: 32", "renamedFrom: kw1"),
    "32:18 vms.kw2.renamedFrom: the VM kw1 is still in the site; remove kw1 if kw2 replaces it",
  ],
  [
    "a VM renamed from itself",
    (s) => s.replace("vsockCid: 32", "renamedFrom: kw2"),
    "32:18 vms.kw2.renamedFrom: is the present name; state the previous name, or remove it",
  ],
  [
    "a VM with import and renamedFrom",
    (s) => s.replace("vsockCid: 32", "renamedFrom: a\n    import: true"),
    "32:18 vms.kw2.renamedFrom: a VM with import: true cannot be renamed; remove import first",
  ],
  [
    "two VMs renamed from the same VM",
    (s) => s.replace("vsockCid: 31", "renamedFrom: a").replace("vsockCid: 32", "renamedFrom: a"),
    "32:18 vms.kw2.renamedFrom: the old name a is already used by vms.kw1; keep one of the two",
  ],
  [
    "a hypervisor renamed from itself",
    (s) => s.replace("nic: eno1", "nic: eno1\n    renamedFrom: hv1"),
    "17:18 hypervisors.hv1.renamedFrom: is the present name",
  ],
  [
    "a volume with the former resource name of a renamed volume",
    (s) =>
      s
        .replace("vsockCid: 32", "renamedFrom: old\n    volumes: { a-b: { size: 1GiB } }")
        .replace("  kw1:", "  old-a:")
        .replace("vsockCid: 31", "volumes: { b: { size: 1GiB } }"),
    "vms.old-a.volumes.b: the resource name old-a-b of the volume is already used by vms.kw2",
  ],
]);
