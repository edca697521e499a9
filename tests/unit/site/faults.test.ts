import { readFileSync } from "node:fs";
import { join } from "node:path";
import * as fc from "fast-check";
import { SiteError, formatIssue } from "../../../site/issues";
import type { LocatedIssue } from "../../../site/issues";
import { loadSite, parseSite } from "../../../site/load";

const KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f";
const SITE = `flake: ../lab/flake
ssh:
  jumpHosts:
    bastion: { address: b.example.org, hostKey: ${KEY} }
profiles:
  worker:
    vcpu: 1
    memory: 1GiB
    memoryTarget: 512MiB
    volumes:
      var: { size: 10GiB, mountPoint: /var }
hypervisors:
  hv1:
    address: 10.0.0.1
    ssh: { hostKey: ${KEY}, jumpHost: bastion }
    nic: eno1
    hostIp: 192.0.2.11/24
    memory: 4GiB
    disk: 40GiB
vms:
  kw1:
    hypervisor: hv1
    profile: worker
    ip: 192.0.2.31
    mac: "02:00:00:00:00:31"
    vsockCid: 31
  kw2:
    hypervisor: hv1
    profile: worker
    ip: 192.0.2.32
    mac: "02:00:00:00:00:32"
    vsockCid: 32
`;

/** The issues of a text; none if it is right. */
function issuesOf(text: string): readonly LocatedIssue[] {
  try {
    parseSite(text, "stacks/x.yaml");
    return [];
  } catch (error) {
    if (error instanceof SiteError) return error.issues;
    throw error;
  }
}

/** The same as people read them. */
const faultsOf = (text: string): string[] => issuesOf(text).map(formatIssue);

type Case = [string, (site: string) => string, string];

/** One edit of the right site -> the fault that it makes. */
const CASES: Case[] = [
  [
    "unknown key",
    (s) => s.replace("nic:", "nik:").replace("    hostIp", "    nic: eno1\n    hostIp"),
    "16:5 hypervisors.hv1.nik: unknown key; did you mean nic? known: address, ssh, nic, bridge, hostIp, memory, disk, build, parallelism, shared, buildTimeout, waitTimeout, checks, maintenance, renamedFrom, system",
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
    "unknown jump host",
    (s) => s.replace("jumpHost: bastion", "jumpHost: moon"),
    "hypervisors.hv1.ssh.jumpHost: there is no jump host moon; known: bastion",
  ],
  [
    "jump hosts in a circle",
    (s) => s.replace(`${KEY} }\nprofiles`, `${KEY}, jumpHost: bastion }\nprofiles`),
    "ssh.jumpHosts.bastion.jumpHost: the jump hosts form a loop",
  ],
  [
    "duplicate IP",
    (s) => s.replace("192.0.2.32", "192.0.2.31"),
    "30:9 vms.kw2.ip: address 192.0.2.31 is already used by vms.kw1; give each its own address",
  ],
  [
    "IP of a hypervisor",
    (s) => s.replace("192.0.2.31", "192.0.2.11"),
    "24:9 vms.kw1.ip: address 192.0.2.11 is already used by hypervisors.hv1",
  ],
  [
    "duplicate MAC, whatever its case",
    (s) => s.replace("00:31", "0a:31").replace("02:00:00:00:00:32", "02:00:00:00:0A:31"),
    "31:10 vms.kw2.mac: MAC 02:00:00:00:0a:31 is already used by vms.kw1",
  ],
  [
    "duplicate vsock CID",
    (s) => s.replace("vsockCid: 32", "vsockCid: 31"),
    "32:15 vms.kw2.vsockCid: vsock CID 31 is already used by vms.kw1",
  ],
  [
    "reserved vsock CID",
    (s) => s.replace("vsockCid: 32", "vsockCid: 2"),
    "32:15 vms.kw2.vsockCid: is out of range",
  ],
  [
    "duplicate host name",
    (s) => s.replace("vsockCid: 32", "hostName: kw1"),
    "32:15 vms.kw2.hostName: host name kw1 is already used by vms.kw1",
  ],
  [
    "address outside its network",
    (s) => s.replace("192.0.2.31", "192.0.3.31"),
    "24:9 vms.kw1.ip: 192.0.3.31 is not a host address of the network 192.0.2.11/24",
  ],
  [
    "broadcast address",
    (s) => s.replace("192.0.2.31", "192.0.2.255"),
    "24:9 vms.kw1.ip: 192.0.2.255 is not a host address",
  ],
  [
    "gateway outside the network",
    (s) => `${s}network: { gateway: 10.1.1.1 }\n`,
    "vms.kw1.ip: the gateway 10.1.1.1 is not in the VM's network",
  ],
  [
    "multicast MAC",
    (s) => s.replace("02:00:00:00:00:31", "03:00:00:00:00:31"),
    "25:10 vms.kw1.mac: is a multicast address; make the second digit even: 02:...",
  ],
  [
    "malformed MAC",
    (s) => s.replace("02:00:00:00:00:31", "02:00:00:00:00"),
    "25:10 vms.kw1.mac: is not a MAC address",
  ],
  [
    "two VMs on one image",
    (s) => s.replace("vsockCid: 32", "volumes: { var: { image: /var/lib/microvms/kw1/var.img } }"),
    "vms.kw2.volumes.var.image: image /var/lib/microvms/kw1/var.img is already used by vms.kw1",
  ],
  [
    "path with a part that says nothing",
    (s) => s.replace("vsockCid: 32", "volumes: { var: { image: /srv/./var.img } }"),
    "vms.kw2.volumes.var.image: has empty or '.' parts; write each '/' once",
  ],
  [
    "an address by which a hypervisor is reached",
    (s) => s.replace("address: 10.0.0.1", "address: 192.0.2.31"),
    "vms.kw1.ip: address 192.0.2.31 is already used by hypervisors.hv1",
  ],
  [
    "host name of a hypervisor",
    (s) => s.replace("vsockCid: 32", "hostName: hv1"),
    "vms.kw2.hostName: host name hv1 is already used by hypervisors.hv1",
  ],
  [
    "one name for two volumes",
    (s) =>
      s
        .replace("  kw2:", "  kw1-a:")
        .replace("vsockCid: 32", "volumes: { b: { size: 1GiB } }")
        .replace("vsockCid: 31", "volumes: { a-b: { size: 1GiB } }"),
    "vms.kw1-a.volumes.b: the resource name kw1-a-b of the volume is already used by vms.kw1",
  ],
  [
    "one label for two volumes of a VM",
    (s) =>
      s.replace(
        "vsockCid: 32",
        "volumes: { postgres-data-primary: { size: 1GiB }, postgres-data-premium: { size: 1GiB } }",
      ),
    "vms.kw2.volumes.postgres-data-primary.label: label postgres-data-pr is already used by volumes.postgres-data-premium",
  ],
  [
    "two volumes at one place",
    (s) => s.replace("vsockCid: 32", "volumes: { v: { size: 1GiB, mountPoint: /var } }"),
    "vms.kw2.volumes.var.mountPoint: mount point /var is already used by volumes.v",
  ],
  [
    "one serial number for two raw disks",
    (s) =>
      s.replace(
        "vsockCid: 32",
        "volumes: { object-storage-daemon-1: { size: 1GiB, fsType: none }, object-storage-daemon-2: { size: 1GiB, fsType: none } }",
      ),
    "serial number object-storage-daemo is already used by volumes.object-storage-daemon-1",
  ],
  [
    "an alias without anchor",
    (s) => s.replace("vsockCid: 32", "restart: *gone"),
    "32:14 vms.kw2.restart: the alias *gone has no anchor; write the value out",
  ],
  [
    "path with '..'",
    (s) => s.replace("mountPoint: /var", "mountPoint: /var/../etc"),
    "profiles.worker.volumes.var.mountPoint: contains '..'",
  ],
  [
    "path for a shell",
    (s) => s.replace("mountPoint: /var", 'mountPoint: "/var/$(id)"'),
    "profiles.worker.volumes.var.mountPoint: is not a plain absolute path",
  ],
  ["unsafe name", (s) => s.replace("  kw2:", '  "../kw2":'), 'vms."../kw2": is not a valid name'],
  [
    "volume without size",
    (s) => s.replace("size: 10GiB, ", ""),
    "vms.kw1.volumes.var.size: the volume var of kw1 has no size; state size: 20GiB",
  ],
  [
    "no size",
    (s) => s.replace("10GiB", "10GB"),
    "profiles.worker.volumes.var.size: is not a size; write a number and MiB, GiB or TiB: 20GiB",
  ],
  [
    "parts of a MiB",
    (s) => s.replace("10GiB", "0.3MiB"),
    "profiles.worker.volumes.var.size: is not a whole number of MiB",
  ],
  [
    "no duration",
    (s) => s.replace("vcpu: 1", "vcpu: 1\n    startTimeout: 90"),
    "8:19 profiles.worker.startTimeout: must be text; correct the value; quote it if it is text",
  ],
  [
    "a duration of nothing",
    (s) => s.replace("vcpu: 1", "vcpu: 1\n    startTimeout: 0s"),
    "8:19 profiles.worker.startTimeout: is not above 0; write a number and s, m or h: 90s",
  ],
  [
    "too much memory",
    (s) => s.replace("memory: 4GiB", "memory: 1GiB"),
    "18:13 hypervisors.hv1.memory: its VMs need 2GiB, but memory is 1GiB (kw1 1GiB, kw2 1GiB); move a VM, make it smaller, or raise memory",
  ],
  [
    "too much disk",
    (s) => s.replace("disk: 40GiB", "disk: 15GiB"),
    "19:11 hypervisors.hv1.disk: its VMs need 20GiB, but disk is 15GiB (kw1 10GiB, kw2 10GiB)",
  ],
  [
    "memoryTarget above memory",
    (s) => s.replace("512MiB", "2GiB"),
    "vms.kw1.memoryTarget: memoryTarget 2GiB is more than memory 1GiB",
  ],
  [
    "no vCPU anywhere",
    (s) => s.replace("    vcpu: 1\n", ""),
    "vms.kw1.vcpu: neither the VM nor its profile states vcpu; state vcpu",
  ],
  [
    "bad host key",
    (s) => s.replace(`hostKey: ${KEY}, jump`, "hostKey: ssh-ed25519 AAAA, jump"),
    "hypervisors.hv1.ssh.hostKey: is not an SSH public key",
  ],
  [
    "key of another type inside",
    (s) =>
      s.replace(`hostKey: ${KEY}, jump`, `hostKey: ${KEY.replace("ssh-ed25519", "ssh-rsa")}, jump`),
    "hypervisors.hv1.ssh.hostKey: is not an SSH public key",
  ],
  [
    "interface name",
    (s) => s.replace("nic: eno1", 'nic: "eno1;id"'),
    "hypervisors.hv1.nic: is not the name of a network interface",
  ],
  [
    "alias bomb",
    (s) =>
      `${s}x1: &a [1,1,1,1,1,1,1,1,1,1]\nx2: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a,*a]\nx3: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b,*b]\nx4: [*c,*c,*c,*c,*c,*c]\n`,
    "aliases expand to too many nodes",
  ],
  ["second document", (s) => `${s}---\nflake: x\n`, "there is a second YAML document"],
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
  [
    "image of another kind",
    (s) => s.replace("vsockCid: 32", "volumes: { var: { image: /srv/var.qcow2 } }"),
    "vms.kw2.volumes.var.image: does not end in .img or .raw; name the image file",
  ],
  ["no flake", (s) => s.replace("flake: ../lab/flake\n", ""), "flake: is missing; state it (text)"],
  ["an empty flake", (s) => s.replace("../lab/flake", '""'), "1:8 flake: is empty"],
  [
    "no hypervisors, which is not said again for each VM",
    (s) => s.replace(/hypervisors:[^]*?\nvms:/, "vms:"),
    "1:1 hypervisors: is missing; state it (a map)",
  ],
  [
    "an unknown jump host of a jump host",
    (s) => s.replace(`${KEY} }\nprofiles`, `${KEY}, jumpHost: moon }\nprofiles`),
    "ssh.jumpHosts.bastion.jumpHost: there is no jump host moon; known: bastion",
  ],
  [
    "a share without source",
    (s) => s.replace("vsockCid: 32", "shares: { models: { mountPoint: /models } }"),
    "vms.kw2.shares.models.source: is missing; state it (text)",
  ],
  [
    "memory with which QEMU hangs",
    (s) => s.replace("vsockCid: 32", "memory: 2GiB"),
    "32:13 vms.kw2.memory: QEMU hangs with exactly 2GiB of memory; state another size",
  ],
  [
    "the same memory in MiB",
    (s) => s.replace("vsockCid: 32", "memory: 2048MiB"),
    "32:13 vms.kw2.memory: QEMU hangs with exactly 2GiB of memory",
  ],
  ...["/", "/etc", "/etc/ssh", "/nix", "/nix/store", "/nix/.ro-store", "/proc", "/sys", "/dev"].map(
    (place): Case => [
      `a volume at ${place}`,
      (s) => s.replace("vsockCid: 32", `volumes: { v: { size: 1GiB, mountPoint: ${place} } }`),
      `32:45 vms.kw2.volumes.v.mountPoint: nothing can be mounted at ${place}: `,
    ],
  ),
  ...["/run", "/nix/store/x", "/nix/.ro-store/x", "/proc/x", "/sys/fs/bpf", "/dev/shm"].map(
    (place): Case => [
      `a share at ${place}`,
      (s) => s.replace("vsockCid: 32", `shares: { v: { source: /srv, mountPoint: ${place} } }`),
      `vms.kw2.shares.v.mountPoint: nothing can be mounted at ${place}: `,
    ],
  ),
  [
    "a reserved mount point of the profile",
    (s) => s.replace("mountPoint: /var", "mountPoint: /etc"),
    "vms.kw1.volumes.var.mountPoint: nothing can be mounted at /etc: the guest's own /etc with",
  ],
  ...["etc", "ro-store"].map((tag): Case => [
    `a share with the tag ${tag}`,
    (s) => s.replace("vsockCid: 32", `shares: { ${tag}: { source: /a, mountPoint: /b } }`),
    `vms.kw2.shares.${tag}: the tag ${tag} is reserved for the share of the`,
  ]),
  [
    "more VMs at the same time than a host can have",
    (s) => s.replace("nic: eno1", "nic: eno1\n    parallelism: 33"),
    "17:18 hypervisors.hv1.parallelism: is out of range; write a number of at most 32",
  ],
  [
    "a VM renamed from one that is still there",
    (s) => s.replace("vsockCid: 32", "renamedFrom: kw1"),
    "32:18 vms.kw2.renamedFrom: the VM kw1 is still in the site; remove kw1 if kw2 replaces it",
  ],
  [
    "a VM renamed from itself",
    (s) => s.replace("vsockCid: 32", "renamedFrom: kw2"),
    "32:18 vms.kw2.renamedFrom: is the present name; state the previous name, or remove it",
  ],
  [
    "a VM that is imported and renamed",
    (s) => s.replace("vsockCid: 32", "renamedFrom: a\n    import: true"),
    "32:18 vms.kw2.renamedFrom: a VM with import: true cannot be renamed; remove import first",
  ],
  [
    "two VMs renamed from one",
    (s) => s.replace("vsockCid: 31", "renamedFrom: a").replace("vsockCid: 32", "renamedFrom: a"),
    "32:18 vms.kw2.renamedFrom: the old name a is already used by vms.kw1; keep one of the two",
  ],
  [
    "a hypervisor renamed from itself",
    (s) => s.replace("nic: eno1", "nic: eno1\n    renamedFrom: hv1"),
    "17:18 hypervisors.hv1.renamedFrom: is the present name",
  ],
  [
    "a volume with the resource name that a renamed one had",
    (s) =>
      s
        .replace("vsockCid: 32", "renamedFrom: old\n    volumes: { a-b: { size: 1GiB } }")
        .replace("  kw1:", "  old-a:")
        .replace("vsockCid: 31", "volumes: { b: { size: 1GiB } }"),
    "vms.old-a.volumes.b: the resource name old-a-b of the volume is already used by vms.kw2",
  ],
  [
    "control characters",
    (s) => s.replace("vsockCid: 32", 'restart: "a\\nb"'),
    "vms.kw2.restart: contains control characters",
  ],
  ["syntax", (s) => s.replace("flake:", "flake: ["), "correct the YAML here"],
];

test("the site that the cases edit is right", () => {
  expect(faultsOf(SITE)).toEqual([]);
});

test.each(CASES)("%s", (_, edit, expected) => {
  const text = edit(SITE);
  expect(text).not.toBe(SITE);
  const faults = faultsOf(text);
  expect(faults.join("\n")).toContain(expected);
  for (const fault of faults) expect(fault).toMatch(/^stacks\/x\.yaml:\d+:\d+( \S.*)?: .+; .+/);
});

test("an empty file", () => {
  for (const text of ["", "# only this\n", "~"]) {
    expect(faultsOf(text)).toEqual([
      "stacks/x.yaml:1:1: the file is empty; state flake, hypervisors and vms",
    ]);
  }
});

test("all faults at once, in the order of the file, and none that follows from another", () => {
  const text = SITE.replace("vcpu: 1", "vcpu: x")
    .replace("    nic: eno1\n", "")
    .replace("192.0.2.32", "192.0.2.31");
  expect(faultsOf(text).map((fault) => fault.split(": ")[0])).toEqual([
    "stacks/x.yaml:7:11 profiles.worker.vcpu",
    "stacks/x.yaml:14:5 hypervisors.hv1.nic",
    "stacks/x.yaml:29:9 vms.kw2.ip",
  ]);
});

describe("one fault hides no other", () => {
  const paths = (text: string): string[] =>
    faultsOf(text).map((fault) => fault.replace(/^\S+ (\S+): .*/s, "$1"));
  const more = (text: string): string =>
    text
      .replace("hypervisor: hv1", "hypervisor: hv7")
      .replace("192.0.2.32", "192.0.2.31")
      .replace("    vsockCid: 32", "    vsockCid: 31");

  test.each<[string, (site: string) => string, string]>([
    [
      "a key that stands twice",
      (s) => s.replace("    nic:", "    nic: x\n    nic:"),
      "hypervisors.hv1.nic",
    ],
    ["an alias without anchor", (s) => s.replace("nic: eno1", "nic: *gone"), "hypervisors.hv1.nic"],
    [
      "an alias without anchor in a list",
      (s) => s.replace("ssh:\n", "ssh:\n  identityFiles: [*gone, x]\n"),
      "ssh.identityFiles[0]",
    ],
    ["a missing flake", (s) => s.replace("flake: ../lab/flake\n", ""), "flake"],
    ["a whole entry", (s) => `${s}  kw3: 5\n`, "vms.kw3"],
    ["a merge key", (s) => s.replace("    nic:", "    <<: {}\n    nic:"), 'hypervisors.hv1."<<"'],
    ["a second document", (s) => `${s}---\n{}\n`, "stacks/x.yaml"],
  ])("%s", (_, edit, path) => {
    const found = paths(more(edit(SITE)));
    expect(found.join(" ")).toContain(path);
    expect(found).toEqual(expect.arrayContaining(["vms.kw1.hypervisor", "vms.kw2.ip"]));
  });

  test("in one VM", () => {
    const text = SITE.replace("hypervisor: hv1", "hypervisor: hv7")
      .replace('"02:00:00:00:00:31"', "none")
      .replace("192.0.2.31", "192.0.2.32")
      .replace("vsockCid: 31", "vcpu: many");
    expect(paths(text)).toEqual([
      "vms.kw1.hypervisor",
      "vms.kw1.mac",
      "vms.kw1.vcpu",
      "vms.kw2.ip",
    ]);
  });

  test("in one ssh section", () => {
    const text = SITE.replace("ssh:\n", "ssh:\n  port: none\n").replace(
      "jumpHost: bastion",
      "jumpHost: moon",
    );
    expect(paths(text)).toEqual(["ssh.port", "hypervisors.hv1.ssh.jumpHost"]);
  });

  test("and none follows from a value that is faulty where it is inherited", () => {
    const port = SITE.replace("ssh:\n", "ssh:\n  port: none\n").replace(
      "vms:\n",
      `  hv2:\n    address: 10.0.0.1\n    ssh: { hostKey: ${KEY}, jumpHost: bastion }\n    nic: eno1\n    hostIp: 192.0.2.12/24\nvms:\n`,
    );
    expect(paths(port)).toEqual(["ssh.port"]);
    expect(paths(SITE.replace("hostIp: 192.0.2.11/24", "hostIp: here"))).toEqual([
      "hypervisors.hv1.hostIp",
    ]);
    expect(paths(SITE.replace("  hv1:\n", "  hv1: &x\n").replace("    nic: eno1\n", ""))).toEqual([
      "hypervisors.hv1.nic",
    ]);
  });

  test("and none follows from a merge key, whatever it would have stated", () => {
    const text = SITE.replace('    mac: "02:00:00:00:00:32"\n', "    <<: {}\n");
    expect(paths(text)).toEqual(['vms.kw2."<<"']);
  });

  test("an own value counts although the profile's is faulty", () => {
    const text = SITE.replace("memory: 1GiB", "memory: lots").replace(
      "vsockCid: 31",
      "memory: 256MiB",
    );
    expect(paths(text)).toEqual(["profiles.worker.memory", "vms.kw1.memoryTarget"]);
  });

  test("and none follows from a profile that is set aside", () => {
    const text = SITE.replace("vcpu: 1", "vcpu: x").replace(
      "vsockCid: 31",
      "volumes: { var: { onDelete: delete } }",
    );
    expect(paths(text)).toEqual(["profiles.worker.vcpu"]);
  });
});

test("issues are data: a closed set of codes, no text to take apart", () => {
  const text = `${SITE.replace("vcpu: 1", 'vcpu: 1\n    "a; b": 1')}---\n`;
  expect(issuesOf(text)).toEqual([
    expect.objectContaining({
      path: ["profiles", "worker", "a; b"],
      code: "unknown-key",
      position: { line: 8, column: 5 },
      what: "unknown key",
    }),
    expect.objectContaining({ path: [], code: "documents" }),
  ]);
});

test("a file that cannot be read", () => {
  expect(() => loadSite("/nowhere/x.yaml")).toThrow(/^\/nowhere\/x\.yaml: .*ENOENT.*; correct its/);
});

test("names of JavaScript's own are names", () => {
  const text = SITE.replace("profile: worker", "profile: constructor");
  expect(faultsOf(text).join("\n")).toContain("vms.kw1.profile: there is no profile constructor");
});

test.each(["/etc/kubernetes", "/run/secrets", "/nix/.rw-store", "/var/lib/etc", "/devices"])(
  "a volume may be mounted at %s",
  (place) => {
    const volumes = `volumes: { v: { size: 1GiB, mountPoint: ${place} } }`;
    expect(faultsOf(SITE.replace("vsockCid: 32", volumes))).toEqual([]);
  },
);

test("maps that are there and empty are as good as none", () => {
  expect(
    faultsOf(
      SITE.replace(/vms:[^]*/, "vms:\n").replace(
        /profiles:[^]*?hypervisors:/,
        "profiles:\nhypervisors:",
      ),
    ),
  ).toEqual([]);
});

test("whatever the text, the loader throws nothing but its own error", () => {
  const lines = SITE.split("\n");
  const mutated = fc
    .array(fc.tuple(fc.nat(lines.length - 1), fc.string({ maxLength: 12 }), fc.boolean()), {
      minLength: 1,
      maxLength: 4,
    })
    .map((edits) => {
      const copy = [...lines];
      for (const [at, text, replace] of edits)
        copy[at] = replace ? text : `${copy[at] ?? ""}${text}`;
      return copy.join("\n");
    });
  fc.assert(
    fc.property(fc.oneof(fc.string(), mutated), (text) => {
      expect(Array.isArray(faultsOf(text))).toBe(true);
    }),
    { numRuns: 400 },
  );
});

test("the examples in stacks/ are right", () => {
  for (const name of ["lab", "example-production"]) {
    const file = join(__dirname, "..", "..", "..", "stacks", `${name}.yaml`);
    expect(parseSite(readFileSync(file, "utf8"), file).vms.length).toBeGreaterThan(2);
  }
});

test("the README's site file is right", () => {
  const readme = readFileSync(join(__dirname, "..", "..", "..", "README.md"), "utf8");
  const block = /^```yaml\n(# yaml-language-server[^]*?)^```/m.exec(readme)?.[1] ?? "";
  expect(block).toContain("ssh-ed25519 AAAA...");
  expect(parseSite(block.replaceAll("ssh-ed25519 AAAA...", KEY), "stacks/x.yaml").vms).toHaveLength(
    2,
  );
});
