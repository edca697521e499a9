/** What users write, in zod. The editors' JSON schema is made from it. */
import { z } from "zod";
import { CHECK_NAMES } from "./model";
import {
  address,
  cidr,
  duration,
  fault,
  interfaceName,
  ip,
  mac,
  name,
  path,
  port,
  publicKey,
  size,
  text,
  user,
} from "./scalars";

const volume = z
  .strictObject({
    size: size.optional().describe("Grows, while the VM runs if it runs in QEMU; never shrinks."),
    fsType: z
      .enum(["ext4", "none"])
      .optional()
      .describe("Default: ext4. none: a raw device (Ceph)."),
    mountPoint: path.optional().describe("Where the guest mounts it; none for a raw device."),
    label: z
      .string()
      .regex(
        /^[A-Za-z0-9._-]{1,16}$/,
        fault("is not a label", "use 1 to 16 letters, digits, '.', '_' or '-'"),
      )
      .optional()
      .describe(
        "File system label. Default: <vm>-<volume>, where that has 16 characters or fewer.",
      ),
    image: path
      .regex(/\.(img|raw)$/, fault("does not end in .img or .raw", "name the image file"))
      .optional()
      .describe("The image on the hypervisor. Default: /var/lib/microvms/<vm>/<volume>.img."),
    onDelete: z
      .enum(["retain", "trash", "delete"])
      .optional()
      .describe(
        "When it leaves the site: retain (default) keeps the image, trash moves it, delete deletes it.",
      ),
  })
  .describe("A disk of the VM.");

const share = z
  .strictObject({
    source: path.describe("Directory on the hypervisor."),
    mountPoint: path.describe("Where the guest mounts it."),
    readOnly: z.boolean().optional().describe("Default: false."),
  })
  .describe("A directory of the hypervisor, by virtiofs.");

const network = z
  .strictObject({
    cidr: cidr.optional().describe("The VMs' network. Default: that of the hypervisor's hostIp."),
    gateway: ip.optional(),
    nameservers: z.array(ip).optional(),
  })
  .describe("Network defaults.");

const machine = {
  vcpu: z.int().min(1).max(512).optional().describe("Number of virtual CPUs."),
  memory: size.optional().describe("Memory of the guest."),
  memoryTarget: size
    .optional()
    .describe("What the balloon leaves to the guest; at most memory. Changed without a restart."),
  startTimeout: duration
    .optional()
    .describe("How long the VM may take to start and answer SSH. Default: 10m."),
  updatePolicy: z
    .enum(["live", "restart", "onNextBoot"])
    .optional()
    .describe(
      "How a running VM gets a new system: live (default) switches it where that is enough and restarts it otherwise, " +
        "restart always restarts it, onNextBoot leaves it to its next start.",
    ),
  volumes: z
    .record(name, volume.nullable())
    .optional()
    .describe("By name; null takes one of the profile away."),
  shares: z
    .record(name, share.nullable())
    .optional()
    .describe("By virtiofs tag; null takes one away."),
  network: network.optional(),
};

const profile = z.strictObject(machine).describe("Defaults for VMs.");

const mode = z.enum(["require", "warn", "off"]);
const checks = z
  .strictObject({
    kvm: mode.optional(),
    libvirtd: mode.optional(),
    bridge: mode.optional(),
    units: mode.optional(),
    nix: mode.optional(),
    clock: mode.optional(),
    memory: mode.optional(),
    disk: mode.optional(),
  } satisfies Record<(typeof CHECK_NAMES)[number], z.ZodOptional<typeof mode>>)
  .describe("Per check: require (default) stops, warn only tells, off does not look.");

const jumpHost = z
  .strictObject({
    address,
    port: port.optional(),
    user: user.optional(),
    hostKey: publicKey.describe("The pinned host key."),
    jumpHost: name.optional().describe("The jump host before this one."),
  })
  .describe("A host to go through.");

const system = z
  .strictObject({
    rebootPolicy: z
      .enum(["never", "ifRequired"])
      .optional()
      .describe(
        "For a system with another kernel, initrd or kernel modules. never (default): it is told; ifRequired: the host is rebooted.",
      ),
    confirmTimeout: duration
      .optional()
      .describe("How long the host waits for a new login before it goes back. Default: 90s."),
    switchTimeout: duration.optional().describe("How long a switch may run. Default: 5m."),
    bootTimeout: duration.optional().describe("How long a reboot may take. Default: 10m."),
  })
  .describe("The host's own NixOS system is the flake's: switched, confirmed, else rolled back.");

const hypervisor = z
  .strictObject({
    address: address.describe("Where SSH reaches it."),
    ssh: z.strictObject({
      hostKey: publicKey.describe("The pinned host key."),
      port: port.optional(),
      user: user.optional(),
      jumpHost: name.optional().describe("By its name in ssh.jumpHosts."),
    }),
    nic: interfaceName.describe("The physical card that is enslaved to the bridge."),
    bridge: interfaceName.optional().describe("Default: br0."),
    hostIp: cidr.describe("Its own address on the bridge, with prefix: 192.0.2.11/24."),
    memory: size.optional().describe("Memory set aside for VMs; their sum must fit."),
    disk: size.optional().describe("Disk set aside for volumes; their sum must fit."),
    build: z
      .enum(["operator", "host"])
      .optional()
      .describe("Where closures are built. Default: operator."),
    checks: checks.optional(),
    maintenance: z.boolean().optional().describe("true: leave it alone. Default: false."),
    system: system.optional(),
  })
  .describe("A NixOS host that runs VMs.");

const vm = z
  .strictObject({
    hypervisor: name,
    profile: name.optional(),
    ip,
    mac,
    vsockCid: z.int().min(3).max(0xfffffffe).optional(),
    hostName: name.optional().describe("Default: the VM's name."),
    role: z.enum(["controller", "worker", "controller+worker"]).optional().describe("k0s role."),
    running: z.boolean().optional().describe("Default: true."),
    restart: text.optional().describe("Any text; the VM restarts when it changes."),
    import: z
      .boolean()
      .optional()
      .describe(
        "true: take over the VM and the volumes that are on the hypervisor, as they are. Default: false.",
      ),
    ...machine,
  })
  .describe("A virtual machine.");

const ssh = z.strictObject({
  user: user.optional().describe("Default: root."),
  port: port.optional().describe("Default: 22."),
  agent: z.boolean().optional().describe("Use the SSH agent. Default: true."),
  identityFiles: z.array(text).optional().describe("Private key files; ~ is the home directory."),
  operatorKeys: z.array(publicKey).optional().describe("Public keys that may log in to guests."),
  jumpHosts: z.record(name, jumpHost).optional(),
});

export const siteSchema = z.strictObject({
  flake: text
    .min(1)
    .describe(
      "Flake reference with the output pulumiMicrovm; ./ and ../ are relative to this file.",
    ),
  ssh: ssh.optional(),
  network: network.optional(),
  profiles: z.record(name, profile).nullable().optional(),
  hypervisors: z.record(name, hypervisor),
  vms: z.record(name, vm).nullable().optional(),
});

export type SiteFile = z.infer<typeof siteSchema>;
export type VolumeFile = z.infer<typeof volume>;
export type VmFile = z.infer<typeof vm>;
export type HypervisorFile = z.infer<typeof hypervisor>;
