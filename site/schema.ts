/**
 * What users write, in zod. The editors' JSON schema is made from it.
 *
 * Every key is optional for zod, so that a file without its faulty values still has this type.
 * `demand` tells editors which keys are required; `rules/required.ts` checks them.
 */
import { z } from "zod";
import { defaultImage, forEachCheck } from "../contract/names";
import { clusterSchema, member } from "./clusterSchema";
import { gitOpsSchema } from "./gitOpsSchema";
import * as scalar from "./scalars";
import { choice, demand, flag } from "./schemaParts";

const { duration, name, size } = scalar;

const volume = z
  .strictObject({
    size: size
      .optional()
      .describe("Required, here or in the profile. Can grow, never shrink. Grows live in QEMU."),
    fsType: choice("ext4", "none").describe("Default: ext4. none: a raw device (Ceph)."),
    mountPoint: scalar.path
      .optional()
      .describe("Where the guest mounts it. Default: not mounted. Not for a raw device."),
    label: scalar.label
      .optional()
      .describe(
        "Label of the file system. Default: <vm>-<volume> if that has at most 16 characters, " +
          "else the first 16 of <volume>. While the VM has renamedFrom, <vm> is the old name. " +
          "Cannot change.",
      ),
    image: scalar.imagePath
      .optional()
      .describe(
        `Path of the image on the hypervisor. Default: ${defaultImage("<vm>", "<volume>")}. ` +
          "A volume with a new name gets a new, empty disk; to keep the data, state the path of " +
          "the old image here.",
      ),
    onDelete: choice("retain", "trash", "delete").describe(
      "What happens to the image when the volume is removed from the site. retain (default) " +
        "keeps it, trash moves it to the trash directory, delete deletes it.",
    ),
    protect: flag.describe(
      "true: Pulumi refuses to delete this volume until protect is false. Default: false.",
    ),
  })
  .describe("A disk of the VM.");

const share = demand(
  z.strictObject({
    source: scalar.path.optional().describe("Directory on the hypervisor."),
    mountPoint: scalar.path.optional().describe("Where the guest mounts it."),
    readOnly: flag.describe("Default: false."),
  }),
  "source",
  "mountPoint",
).describe("A directory of the hypervisor, shared by virtiofs.");

const network = z
  .strictObject({
    cidr: scalar.cidr
      .optional()
      .describe("Network of the VMs. Default: the network of the hypervisor's hostIp."),
    gateway: scalar.ip.optional().describe("Default: none."),
    nameservers: z.array(scalar.ip).optional().describe("Default: none."),
  })
  .describe("Network settings. A VM's override its profile's, which override the site's.");

const machine = {
  vcpu: z.int().min(1).max(512).optional().describe("Number of virtual CPUs."),
  memory: size.optional().describe("Memory of the guest. Not exactly 2GiB: QEMU hangs with it."),
  memoryTarget: size
    .optional()
    .describe(
      "Memory that the balloon leaves to the guest; at most memory. A change needs no restart. " +
        "Default: all of it.",
    ),
  startTimeout: duration
    .optional()
    .describe(
      "Time limit for a start, from the start of the unit until SSH answers. Default: 10m.",
    ),
  switchTimeout: duration
    .optional()
    .describe("Time limit for a live switch to a new system in the guest. Default: 10m."),
  volumeTimeout: duration
    .optional()
    .describe("Time limit for work on the image of one volume. Default: 24h."),
  updatePolicy: choice("live", "restart", "onNextBoot").describe(
    "How a running VM gets a new system. live (default) switches it without a restart if that " +
      "is possible and restarts it otherwise, restart always restarts it, onNextBoot waits for " +
      "its next start.",
  ),
  volumes: z
    .record(name, volume.nullable())
    .optional()
    .describe("By name. null removes a volume of the profile."),
  shares: z
    .record(name, share.nullable())
    .optional()
    .describe("By virtiofs tag. null removes a share of the profile."),
  network: network.optional(),
};

const profile = z.strictObject(machine).describe("Defaults for VMs.");

const mode = choice("require", "warn", "off");
const checks = z
  .strictObject(forEachCheck(() => mode))
  .describe(
    "Preflight checks. require (default): a failure stops the run; warn: only a warning; " +
      "off: not checked.",
  );

const endpoint = {
  port: scalar.port.optional().describe("Default: ssh.port of the site, else 22."),
  user: scalar.user.optional().describe("Default: ssh.user of the site, else root."),
  hostKey: scalar.publicKey.optional().describe("The pinned host key."),
};

const jumpHost = demand(
  z.strictObject({
    address: scalar.address.optional().describe("Where SSH reaches it."),
    ...endpoint,
    jumpHost: name.optional().describe("The jump host before this one."),
  }),
  "address",
  "hostKey",
).describe("A host through which SSH connects to hypervisors.");

const system = z
  .strictObject({
    rebootPolicy: choice("never", "ifRequired").describe(
      "When the new system has another kernel, initrd or kernel modules. never (default) only " +
        "reports that a reboot is required, ifRequired reboots the host.",
    ),
    confirmTimeout: duration
      .optional()
      .describe(
        "How long the host waits for a new login after a switch before it rolls back. " +
          "Default: 90s.",
      ),
    switchTimeout: duration.optional().describe("Time limit for a switch. Default: 5m."),
    bootTimeout: duration.optional().describe("Time limit for a reboot. Default: 10m."),
  })
  .describe(
    "With this key, the flake's NixOS system is deployed to the host: switched, confirmed by a " +
      "new login, else rolled back.",
  );

const hypervisor = demand(
  z.strictObject({
    address: scalar.address.optional().describe("Where SSH reaches it."),
    ssh: demand(
      z.strictObject({
        ...endpoint,
        jumpHost: name.optional().describe("A name of ssh.jumpHosts. Default: none."),
      }),
      "hostKey",
    ).optional(),
    nic: scalar.interfaceName
      .optional()
      .describe("The physical network card that is a port of the bridge."),
    bridge: scalar.interfaceName.optional().describe("Default: br0."),
    hostIp: scalar.cidr
      .optional()
      .describe("The host's own address on the bridge, with prefix: 192.0.2.11/24."),
    memory: size
      .optional()
      .describe("Memory for VMs. The site is rejected if its VMs need more. Default: no limit."),
    disk: size
      .optional()
      .describe(
        "Disk space for volumes. The site is rejected if its volumes need more. " +
          "Default: no limit.",
      ),
    build: choice("operator", "host").describe(
      "Where closures are built: on the operator's machine (operator, default) or on the host.",
    ),
    parallelism: z
      .int()
      .min(1)
      .max(32)
      .optional()
      .describe("How many VMs start, stop or restart at the same time, 1 to 32. Default: 4."),
    shared: flag.describe(
      "true: other stacks may use this hypervisor too. Each of them must set it. Default: false.",
    ),
    buildTimeout: duration
      .optional()
      .describe("Time limit for building and copying one closure. Default: 4h."),
    waitTimeout: duration
      .optional()
      .describe("Time limit for waiting for a lock, a slot or a turn. Default: 6h."),
    checks: checks.optional(),
    maintenance: flag.describe(
      "true: the host is not touched; its resources stay as they are recorded. Default: false.",
    ),
    forget: flag.describe(
      "true: the host is gone for good. The next up takes its resources out of the state without " +
        "contacting it. Its VMs may stay in the site meanwhile. Default: false.",
    ),
    renamedFrom: name
      .optional()
      .describe(
        "The previous name of this hypervisor. Its resources and its VMs are kept, and no VM is " +
          "disturbed. Remove the key after the next up. The old name must not be in the site.",
      ),
    system: system.optional(),
  }),
  "address",
  "ssh",
  "nic",
  "hostIp",
).describe("A NixOS host that runs VMs.");

const vm = demand(
  z.strictObject({
    hypervisor: name.optional().describe("The hypervisor that it runs on."),
    profile: name.optional().describe("A name of profiles. Default: none."),
    ip: scalar.ip.optional().describe("IPv4 address of the guest."),
    mac: scalar.mac.optional().describe("MAC address of the guest."),
    vsockCid: z.int().min(3).max(0xfffffffe).optional().describe("Default: no vsock."),
    hostName: name.optional().describe("Default: the VM's name."),
    ...member,
    running: flag.describe("false stops the VM. Default: true."),
    restart: scalar.line.optional().describe("Any text. The VM restarts when it changes."),
    import: flag.describe(
      "true: take over the VM and the volumes that exist on the hypervisor, without changing " +
        "them. Default: false.",
    ),
    protect: flag.describe(
      "true: Pulumi refuses to delete this VM until protect is false. It does not cover its " +
        "volumes: set protect on each. Default: false.",
    ),
    renamedFrom: name
      .optional()
      .describe(
        "The previous name of this VM. The VM stops and starts once; its directory and its " +
          "volumes move to the new name. The default labels of its volumes keep the old name. " +
          "Keep this key for as long as a volume has a default label; before you remove or " +
          "change it, state that label as the volume's `label`, since a label cannot change. " +
          "The old name must not be in the site.",
      ),
    ...machine,
  }),
  "hypervisor",
  "ip",
  "mac",
).describe("A virtual machine.");

const ssh = z.strictObject({
  user: scalar.user.optional().describe("Default: root."),
  port: scalar.port.optional().describe("Default: 22."),
  agent: flag.describe("Use the SSH agent. Default: true."),
  identityFiles: z
    .array(scalar.line)
    .optional()
    .describe("Private key files; ~ is the home directory."),
  operatorKeys: z
    .array(scalar.publicKey)
    .optional()
    .describe("Public keys that may log in to guests."),
  jumpHosts: z.record(name, jumpHost).optional().describe("By name."),
});

export const siteSchema = demand(
  z.strictObject({
    flake: scalar.flakeReference
      .optional()
      .describe(
        "Flake reference with the output pulumiMicrovm. ./ and ../ are relative to this file.",
      ),
    ssh: ssh.optional(),
    network: network.optional(),
    cluster: clusterSchema.optional(),
    gitops: gitOpsSchema.optional(),
    profiles: z.record(name, profile).nullable().optional(),
    hypervisors: z.record(name, hypervisor).optional(),
    vms: z.record(name, vm).nullable().optional(),
  }),
  "flake",
  "hypervisors",
);

/** A file that passed the schema, or what is left of it without its faulty values. */
export type SiteFile = z.infer<typeof siteSchema>;
export type VolumeFile = z.infer<typeof volume>;
export type ShareFile = z.infer<typeof share>;
export type NetworkFile = z.infer<typeof network>;
export type ProfileFile = z.infer<typeof profile>;
export type VmFile = z.infer<typeof vm>;
export type HypervisorFile = z.infer<typeof hypervisor>;
