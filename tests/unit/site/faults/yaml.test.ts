/** Faults of the YAML itself: syntax, keys, types and names. */
import { testFaults } from "./cases";

testFaults([
  [
    "unknown key",
    (s) => s.replace("nic:", "nik:").replace("    hostIp", "    nic: eno1\n    hostIp"),
    "16:5 hypervisors.hv1.nik: unknown key; did you mean nic? known: address, ssh, nic, bridge, " +
      "hostIp, memory, disk, build, parallelism, shared, buildTimeout, waitTimeout, checks, " +
      "maintenance, forget, renamedFrom, system",
  ],
  [
    "duplicate key",
    (s) => s.replace("    nic: eno1", "    nic: eno1\n    nic: eno2"),
    "17:5 hypervisors.hv1.nic: is a duplicate of the key in line 16; keep one of the two",
  ],
  [
    "missing key",
    (s) => s.replace("    nic: eno1\n", ""),
    "14:5 hypervisors.hv1.nic: is missing; state it (text)",
  ],
  [
    "wrong type",
    (s) => s.replace("vcpu: 1", "vcpu: many"),
    "7:11 profiles.worker.vcpu: must be a number; correct the value; quote it if it is text",
  ],
  [
    "an alias without anchor",
    (s) => s.replace("vsockCid: 32", "restart: *gone"),
    "32:14 vms.kw2.restart: the alias *gone has no anchor; write the value out",
  ],
  [
    "a name with path characters",
    (s) => s.replace("  kw2:", '  "../kw2":'),
    'vms."../kw2": is not a valid name',
  ],
  [
    "alias bomb",
    (s) =>
      `${s}x1: &a [1,1,1,1,1,1,1,1,1,1]\nx2: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a,*a]\n` +
      "x3: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b,*b]\nx4: [*c,*c,*c,*c,*c,*c]\n",
    "aliases expand to too many nodes",
  ],
  ["second YAML document", (s) => `${s}---\nflake: x\n`, "there is a second YAML document"],
  [
    "prototype key",
    (s) => s.replace("  kw2:", "  __proto__:"),
    "27:3 vms.__proto__: is not allowed as a key",
  ],
  [
    "merge key",
    (s) => s.replace("    vsockCid: 32", "    <<: { vsockCid: 32 }"),
    '32:5 vms.kw2."<<": is not allowed as a key',
  ],
  ["no flake", (s) => s.replace("flake: ../lab/flake\n", ""), "flake: is missing; state it (text)"],
  ["an empty flake", (s) => s.replace("../lab/flake", '""'), "1:8 flake: is empty"],
  [
    "control characters",
    (s) => s.replace("vsockCid: 32", 'restart: "a\\nb"'),
    "vms.kw2.restart: contains control characters",
  ],
  ["invalid syntax", (s) => s.replace("flake:", "flake: ["), "correct the YAML here"],
]);
